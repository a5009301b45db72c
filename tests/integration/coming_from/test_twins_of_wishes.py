"""docs/coming-from.md: what it shows of k6 and Locust is run by them, against the same shop."""

from collections.abc import Callable
from pathlib import Path

import pytest

from example_shop import RunningShop
from tls_authorities import Authority
from wishes import WISHES, Wish, figures, k6_command, lay_out, locust_command, run_in

pytestmark = pytest.mark.slow

ABORTED = "20"


def with_code(language: str) -> list[object]:
    """Return the wishes that have code in a language, with their titles."""
    return [
        pytest.param(number, wish, id=wish.title)
        for number, wish in WISHES.items()
        if wish.section.code(language)
    ]


@pytest.mark.needs_k6
@pytest.mark.parametrize(("number", "wish"), with_code("js"))
def test_k6_does_what_the_page_shows(
    number: str, wish: Wish, shop_of: Callable[[str], RunningShop], tmp_path: Path
) -> None:
    """The script runs, asks, and ends as k6's page says."""
    lay_out(wish, tmp_path)
    ran = run_in(tmp_path, k6_command(wish), shop_of(number).environment)
    assert ran.returncode == (99 if number == ABORTED else 0), ran.stdout + ran.stderr
    if number != "24":  # its own summary replaces the exported one
        counted = figures(tmp_path / "k6.json")["metrics"]
        assert counted["http_reqs"]["count"] > 0
        failed = counted["http_req_failed"]["passes"]  # k6's name for how many did
        assert failed == (counted["http_reqs"]["count"] if number == ABORTED else 0)


@pytest.mark.needs_locust
@pytest.mark.parametrize(("number", "wish"), with_code("python"))
def test_locust_does_what_the_page_shows(
    number: str,
    wish: Wish,
    shop_of: Callable[[str], RunningShop],
    authority: Authority,
    tmp_path: Path,
) -> None:
    """The file runs, asks, and ends as Locust's page says."""
    lay_out(wish, tmp_path)
    (tmp_path / "shop.pem").write_bytes(authority.file.read_bytes())
    ran = run_in(tmp_path, locust_command(wish), shop_of(number).environment)
    assert ran.returncode == (99 if number == ABORTED else 0), ran.stdout + ran.stderr
    entries = figures(tmp_path / "locust.json")
    asked = sum(entry["num_requests"] for entry in entries)
    assert asked > 0
    assert sum(entry["num_failures"] for entry in entries) == (asked if number == ABORTED else 0)
