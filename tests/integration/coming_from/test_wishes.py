"""docs/coming-from.md: what people ask of a load test, done as the page says, against the shop."""

import csv
import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from example_shop import CLERK_PASSWORD, KEY, RunningShop
from own_folder import Ran, passed
from stressproof.exits import Exit
from tls_authorities import Authority
from wishes import PAGE, WISHES, Wish, lay_out, run_in


@dataclass
class Done:
    """What came of a wish.

    Attributes:
        folder: Where it was run.
        ran: Its last command.
        shop: Whom it asked.
    """

    folder: Path
    ran: Ran
    shop: RunningShop

    @property
    def artifact(self) -> dict[str, Any]:
        """The evidence, of which there is one."""
        found = [
            path
            for path in [*self.folder.glob("stressproof-results/*.json"), self.folder / "run.json"]
            if path.is_file()
        ]
        (path,) = [one for one in found if "decision" not in one.name]
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document

    @property
    def asked(self) -> dict[str, int]:
        """Requests that were answered as they should be, by endpoint."""
        counts: dict[str, int] = {}
        for run in self.artifact["runs"]:
            for one in run["endpoints"]:
                name, ok = one["endpoint"], one["results"]["successful_requests"]
                counts[name] = counts.get(name, 0) + ok
        return {name: count for name, count in counts.items() if count}

    def rows(self, second: int) -> int:
        """Return how many requests were sent in a second."""
        rows = self.artifact["measurements"]["runs"][0]["rows"]
        return sum(row["started"] for row in rows if row["second"] == second)


def rate_for_a_time(done: Done) -> None:
    """Fifty were sent in each second."""
    assert done.artifact["workload"]["scenarios"][0]["rate"] == 50
    assert sum(done.asked.values()) == 100
    assert {done.rows(second) for second in range(2)} == {50}


def thresholds_over_everything(done: Done) -> None:
    """The limits are those of the evidence."""
    assert done.artifact["thresholds"]["max_p95_seconds"] == 2
    assert done.artifact["thresholds"]["max_error_rate_percent"] == 1


def thresholds_by_endpoint(done: Done) -> None:
    """The threshold is about the one endpoint, and is shown."""
    assert "http_req_duration{name:GET /products/{sku}}" in done.ran.stdout
    assert len(done.asked) == 2


def stages(done: Done) -> None:
    """Users came and went."""
    assert done.artifact["workload"]["scenarios"][0]["executor"] == "ramping-vus"
    assert [stage["target"] for stage in done.artifact["workload"]["scenarios"][0]["stages"]] == [
        20,
        20,
        0,
    ]


def think_time(done: Done) -> None:
    """As many were sent as users who hesitate can send."""
    assert 10 * 2 / 0.3 * 0.5 <= sum(done.asked.values()) <= 10 * (2 / 0.1 + 1)


def login_and_token(done: Done) -> None:
    """The logins were not measured, and what needs the token was answered."""
    assert set(done.asked) == {"GET /account"}


def data_from_csv(done: Done) -> None:
    """The rows have one name, and the evidence says which file they are of."""
    assert set(done.asked) == {"GET /products/{sku}"}
    assert "skus.csv" in json.dumps(done.artifact["workload"])


def post_json(done: Done) -> None:
    """Every body was understood."""
    assert done.asked == {"POST /login": 40}


def unique_ids(done: Done) -> None:
    """No key came twice: that would have been answered 200."""
    assert set(done.asked) == {"POST /orders"}


def secret_kept(done: Done) -> None:
    """The key was right, and is in nothing that was shown or kept."""
    assert KEY not in (done.folder / "everything.txt").read_text()


def json_checks(done: Done) -> None:
    """The check is part of what was asked."""
    (endpoint,) = done.artifact["workload"]["endpoints"]
    assert endpoint["checks"] == ["json:items.0.price,!error"]


def other_statuses(done: Done) -> None:
    """404 was no failure."""
    (endpoint,) = done.artifact["workload"]["endpoints"]
    assert endpoint["expected_statuses"] == [404]
    assert done.artifact["results"]["successful_requests"] > 0


def cookies(done: Done) -> None:
    """The cookie of the login came back: without it the account answers 401."""
    asked = done.asked
    assert asked["GET /account"] > 0
    assert asked["POST /login"] >= asked["GET /account"]


def http2(done: Done) -> None:
    """The load went over HTTP/2, verified."""
    assert done.artifact["runs"][0]["connections"]["protocol"] == "h2"
    assert not done.artifact["target"].get("insecure", False)


def own_certificate(done: Done) -> None:
    """The load went over TLS, verified."""
    assert done.artifact["target_url"].startswith("https://")
    assert not done.artifact["target"].get("insecure", False)


def basic_authentication(done: Done) -> None:
    """The clerk was let in, and the password is nowhere."""
    assert done.asked["GET /stock/sku-1"] > 0
    assert CLERK_PASSWORD not in (done.folder / "everything.txt").read_text()


def weights(done: Done) -> None:
    """Four to one."""
    often, seldom = done.asked["GET /products"], done.asked["GET /health"]
    assert abs(often - 4 * seldom) <= 4 * 10


def scenarios_at_once(done: Done) -> None:
    """One scenario kept its rate while the other hesitated."""
    assert done.asked["GET /products"] == 40
    assert 0 < done.asked["GET /health"] <= 10


def aborted(done: Done) -> None:
    """It ended long before five minutes, and failed."""
    assert done.artifact["status"] != "complete" or done.artifact["results"]["failed_requests"]
    assert done.artifact["runs"][0]["elapsed_seconds"] < 60
    assert "(exit 99)" in done.ran.stdout + done.ran.stderr


def progress(done: Done) -> None:
    """The round was shown while it ran."""
    assert "round 1/1" in done.ran.stderr


def json_out(done: Done) -> None:
    """Each figure follows from what the document carries."""
    assert done.artifact["schema_version"]
    judged = run_in(done.folder, "stressproof verify run.json --format json", {})
    assert json.loads(judged.stdout)["level"] == "recomputed"


def csv_out(done: Done) -> None:
    """The lines add up to what was asked, in their order."""
    with (done.folder / "run.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert sum(int(line["ok"]) for line in lines) == sum(done.asked.values())
    assert all(a["second"] <= b["second"] for a, b in pairwise(lines))


def junit_out(done: Done) -> None:
    """Each rule is a test case, and none failed."""
    suite = ET.parse(done.folder / "junit.xml").getroot()  # noqa: S314  # ours
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) > 0
    assert suite.attrib["failures"] == "0"


def compared(done: Done) -> None:
    """One run of each proves nothing."""
    assert "INCONCLUSIVE" in done.ran.stdout


def gated_with_steps(done: Done) -> None:
    """The step ran, and the gate passed."""
    assert "| 42" in done.ran.stdout + done.ran.stderr
    assert "PASS  release gate" in done.ran.stdout


def gated_with_floors(done: Done) -> None:
    """The evidence met them; a floor above its own profile is refused by name."""
    gated_with_steps(done)
    path = done.folder / "stressproof.toml"
    path.write_text(path.read_text().replace("users = 8", "users = 7777"))
    commit(done.folder)
    gate = "stressproof gate release --stress-evidence-path stressproof-results/run.json"
    raised = run_in(done.folder, gate, done.shop.environment)
    assert raised.returncode == Exit.USAGE
    assert "users = 7777" in raised.stderr
    assert "Raise it in [profile.shop], or ask for less." in raised.stderr


WISHED: dict[str, Callable[[Done], None]] = {
    "1": rate_for_a_time,
    "2": thresholds_over_everything,
    "3": thresholds_by_endpoint,
    "4": stages,
    "5": think_time,
    "6": login_and_token,
    "7": data_from_csv,
    "8": post_json,
    "9": unique_ids,
    "10": secret_kept,
    "11": json_checks,
    "12": other_statuses,
    "13": cookies,
    "14": http2,
    "15": own_certificate,
    "16": basic_authentication,
    "17": secret_kept,
    "18": weights,
    "19": scenarios_at_once,
    "20": aborted,
    "21": progress,
    "22": json_out,
    "23": csv_out,
    "24": junit_out,
    "25": compared,
    "26": gated_with_steps,
    "27": gated_with_floors,
}
"""What each wish must have come to, beside its exit code."""
ENDS = {"20": Exit.OBJECTIVES, "25": Exit.INCONCLUSIVE}
ATTEMPTS = 3


@pytest.mark.parametrize("number", WISHED, ids=lambda number: WISHES[number].title)
def test_a_wish_comes_true(
    number: str, shop_of: Callable[[str], RunningShop], authority: Authority, tmp_path: Path
) -> None:
    """The page's lines, run as they stand, do what was wished, and nothing asked of them fails."""
    wish, shop = WISHES[number], shop_of(number)
    folder, ran = run_wish(wish, shop, authority, tmp_path)
    expected = ENDS.get(number, Exit.PASS)
    assert ran.returncode == expected or (expected == Exit.PASS and passed(ran)), (
        f"{ran.stdout}\n{ran.stderr}"
    )
    kept = "".join(path.read_text() for path in folder.rglob("*.json"))
    (folder / "everything.txt").write_text(ran.stdout + ran.stderr + kept)
    if number not in ENDS:
        assert '"failed_requests": 0' in kept
    WISHED[number](Done(folder, ran, shop))


def run_wish(
    wish: Wish, shop: RunningShop, authority: Authority, tmp_path: Path
) -> tuple[Path, Ran]:
    """Run the lines of a wish, again where a busy machine kept the first from the others."""
    lines = wish.code("sh")
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        lay_out(wish, folder)
        (folder / "shop.pem").write_bytes(authority.file.read_bytes())
        if "stressproof gate" in lines:
            commit(folder)
        ran = run_in(folder, lines, shop.environment)
        if lines.count("\n") == 1 or not (ran.returncode and passed(ran)):
            break
    return folder, ran


def test_every_wish_has_its_test_and_its_lines() -> None:
    """The page's table counts what the page shows; no wish of it is left out."""
    assert list(WISHES) == list(WISHED) == [str(number) for number in range(1, 28)]
    rows = [
        f"| {wish.title} | {' | '.join(str(count or '-') for count in wish.lines)} |"
        for wish in WISHES.values()
    ]
    text = PAGE.read_text(encoding="utf-8")
    shown = text.partition("<!-- lines -->\n")[2].partition("<!-- /lines -->")[0]
    assert shown.splitlines()[2:] == rows, "\n" + "\n".join(rows)


def commit(folder: Path) -> None:
    """Make a repository of a folder, with everything in it."""
    (folder / ".gitignore").write_text("stressproof-results/\n")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "project")):
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True)
