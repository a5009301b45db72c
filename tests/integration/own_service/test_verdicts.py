"""What a capture of somebody's own service says at its end, and with which code."""

import json
from pathlib import Path

import pytest

from own_folder import Ran, Stressproof, passed
from shop_service import Shop, running_shop
from stressproof.exits import Exit
from tls_authorities import Authority

QUICK = ("--duration", "1s", "--ramp", "0")


def last_line(ran: Ran) -> str:
    """Return the last line of what was asked for."""
    return ran.stdout.rstrip().splitlines()[-1]


def test_the_artifact_goes_where_results_go_and_the_terminal_gets_the_summary(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """Nothing is named but the URL: evidence has a file of its time, people have a headline."""
    ran = stressproof("capture", f"{shop.url}/catalog", "--rate", "20/s", *QUICK)
    assert passed(ran), ran.stdout
    results = tmp_path / "stressproof-results"
    (kept,) = results.glob("*.json")
    assert [path.stem for path in results.glob("*.html")] == [f"{kept.stem}.report"]
    assert json.loads(kept.read_text())["endpoints"] == ["/catalog"]
    headline = ran.stdout.splitlines()[0]
    assert headline.startswith(f"/catalog on {shop.url}: constant-arrival-rate, 20/s")
    assert "health" not in ran.stdout
    assert "unknown" not in headline
    assert last_line(ran).startswith(("PASS (exit 0): ", "INCONCLUSIVE (exit 3): the generator"))
    assert f"stressproof-results/{kept.name}" in last_line(ran)


@pytest.mark.parametrize(
    ("threshold", "code", "word"),
    [
        ("http_req_duration: max < 1us", Exit.OBJECTIVES, "FAIL"),
        ("http_req_duration{name:/absent}: p(95) < 1s", Exit.INCONCLUSIVE, "INCONCLUSIVE"),
    ],
)
def test_a_threshold_decides_the_exit_code(
    shop: Shop, stressproof: Stressproof, threshold: str, code: Exit, word: str
) -> None:
    """Failed is 99 and untold is 3, without a flag; ``--no-enforce`` asks for 0 and says so."""
    asked = ("capture", f"{shop.url}/catalog", "--rate", "20/s", *QUICK, "--threshold", threshold)
    ran = stressproof(*asked)
    assert ran.returncode == code, ran.stderr
    assert last_line(ran).startswith(f"{word} (exit {code}): 1 of 1 objectives ")
    ran = stressproof(*asked, "--no-enforce")
    assert ran.returncode == Exit.PASS
    assert last_line(ran).startswith(f"{word} (exit 0): 1 of 1 objectives ")
    assert "not enforced" in last_line(ran)


def test_a_threshold_that_ends_a_capture_decides_too(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """A capture that its threshold aborted is 99, long before its time."""
    (tmp_path / "own.toml").write_text(
        '[thresholds]\nhttp_req_duration = { threshold = "p(95) < 1us", abortOnFail = true }\n'
    )
    ran = stressproof(
        *("capture", f"{shop.url}/catalog", "--rate", "100/s", "--duration", "1h", "--ramp", 0),
        *("--config", "own.toml"),
    )
    assert ran.returncode == Exit.OBJECTIVES, ran.stderr
    assert last_line(ran).startswith("FAIL (exit 99): ")
    assert "ended before its time" in last_line(ran)


def test_limits_of_the_file_replace_the_defaults_and_flags_replace_both(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """``[limits]`` states what is asked; what it is silent about keeps its default."""
    (tmp_path / "stressproof.toml").write_text(
        "[limits]\nmax_p95_seconds = 1e-6\nmin_throughput_rps = 2\n"
    )
    ran = stressproof("capture", f"{shop.url}/catalog", "--rate", "20/s", *QUICK, "--out", "a.json")
    assert ran.returncode == Exit.OBJECTIVES, ran.stderr
    assert json.loads((tmp_path / "a.json").read_text())["thresholds"] == {
        "max_p95_seconds": 1e-6,
        "max_error_rate_percent": 1.0,
        "min_throughput_rps": 2.0,
    }
    ran = stressproof(
        *("capture", f"{shop.url}/catalog", "--rate", "20/s", *QUICK, "--out", "a.json"),
        *("--p95-target", "5s", "--max-error-rate", "2%"),
    )
    assert passed(ran), ran.stdout


@pytest.mark.parametrize(
    ("path", "flags", "said"),
    [
        ("/me", (), "-H 'NAME: @FILE'"),
        ("/absent", (), "no such page"),
        ("/catalog", ("--expect", "201"), "--expect and --check"),
        ("/catalog", ("--check", "json:absent"), "--expect and --check"),
        ("/catalog", ("--check", "json:items", "--check", "text:gold"), "--expect and --check"),
    ],
    ids=["401", "404", "status", "body", "second check"],
)
def test_a_preflight_that_fails_says_what_to_do_about_this_service(
    shop: Shop, stressproof: Stressproof, path: str, flags: tuple[str, ...], said: str
) -> None:
    """The remedy is about what was seen, on the last line, and about nobody else's service."""
    ran = stressproof("capture", f"{shop.url}{path}", *QUICK, *flags)
    assert ran.returncode == Exit.TARGET
    assert last_line(ran).startswith("NOT RUN (exit 4): preflight failed")
    assert said in last_line(ran)
    assert "enforcement" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1/", "Is the service running at http://127.0.0.1:1?"),
        ("http://absent.invalid/", "--resolve ADDRESS"),
    ],
    ids=["nothing listens", "no such name"],
)
def test_a_service_that_is_not_there_is_told_from_one_that_is_misspelt(
    stressproof: Stressproof, url: str, said: str
) -> None:
    """Refused and unknown have remedies of their own."""
    ran = stressproof("capture", url, *QUICK)
    assert ran.returncode == Exit.TARGET
    assert said in last_line(ran)
    assert "enforcement" not in ran.stdout + ran.stderr


def test_tls_that_does_not_fit_is_told_with_the_flag_that_helps(
    shop: Shop, stressproof: Stressproof, tmp_path: Path
) -> None:
    """TLS to a plain port, HTTP to a TLS port and an unknown issuer each have their remedy."""
    ran = stressproof("capture", shop.url.replace("http:", "https:"), *QUICK)
    assert ran.returncode == Exit.TARGET
    assert "speaks no TLS" in last_line(ran)
    authority = Authority.make(tmp_path)
    with running_shop(authority.server_context(tmp_path)) as secure:
        ran = stressproof("capture", f"{secure.url}/catalog", *QUICK)
        assert ran.returncode == Exit.TARGET
        assert "--ca-file" in last_line(ran)
        assert "--insecure" in last_line(ran)
        ran = stressproof("capture", secure.url.replace("https:", "http:"), *QUICK)
        assert ran.returncode == Exit.TARGET
        assert "If it speaks TLS, write https://" in last_line(ran)
        trusted = ("--ca-file", authority.file, "--rate", "20/s", *QUICK)
        ran = stressproof("capture", f"{secure.url}/catalog", *trusted)
        assert passed(ran), ran.stdout
