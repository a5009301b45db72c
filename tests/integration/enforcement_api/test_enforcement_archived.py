"""What reads say of history that is archived, and what the commands say of wrong input."""

import subprocess
from pathlib import Path

import pytest

from running_service import Service, Tenant, World, command, environment, gate_body


def _run(world: World, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("ledger", *arguments, "--dsn", world.admin_dsn),
        env=environment(folder / "state"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_reads_say_what_is_archived(
    service: Service, world: World, tenant: Tenant, tmp_path: Path
) -> None:
    """The last page, a page behind it, and parity: none is silently less than it was."""
    headers = tenant.headers()
    for _ in range(3):
        service.post("/gate/terraform", headers, gate_body())
    before = service.get("/ledger", headers)
    assert "x-archived-sequence" not in before.headers
    last = before.json()[0]["sequence"]
    out = tmp_path / "archive.jsonl"
    made = _run(
        world,
        tmp_path,
        *("archive", "--tenant", tenant.name, "--older-than-days", "0", "--out", str(out)),
    )
    assert made.returncode == 0, made.stderr
    assert f"rows 1 to {last} " in made.stdout
    assert len(service.get("/ledger", headers).json()) == last
    pruned = _run(world, tmp_path, "prune", "--archive", str(out))
    assert (pruned.returncode, pruned.stderr) == (0, "")
    service.post("/gate/terraform", headers, gate_body())

    page = service.get("/ledger", headers)
    assert [row["event"] for row in page.json()] == ["decision", "ledger.archived"]
    assert page.headers["x-archived-sequence"] == str(last)
    full = service.get("/ledger?limit=2", headers)
    assert "x-archived-sequence" not in full.headers
    gone = service.client.get(full.headers["link"].split("<")[1].split(">")[0], headers=headers)
    assert (gone.status_code, gone.json()["code"]) == (410, "archived")
    for query in ("limit=50", ""):
        parity = service.get(f"/exports/parity?{query}", headers).json()
        assert parity["archived_sequence"] == last
        assert (parity["parity_ok"], parity["decisions"]) == (True, 1)
    assert len(service.get("/reservations/active", headers).json()) == 4
    verified = _run(world, tmp_path, "verify", "--tenant", str(tenant.tenant_id))
    assert verified.returncode == 0
    assert f"rows up to {last} are in archives" in verified.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("archive", "--tenant", "NOBODY", "--older-than-days", "0", "--out", "x"), 4, "NOBODY"),
        (("archive", "--tenant", "TENANT", "--older-than-days", "-1", "--out", "x"), 2, "-1"),
        (("archive", "--tenant", "TENANT", "--older-than-days", "9", "--out", "x"), 3, "9 days"),
        (("archive", "--tenant", "TENANT", "--older-than-days", "0", "--out", "no/x"), 7, "no/x"),
        (("prune", "--archive", "absent"), 2, "absent"),
        (("prune", "--archive", "empty"), 6, "not an archive"),
        (("prune", "--archive", "garbage"), 6, "line 1"),
    ],
)
def test_wrong_input_is_one_line_and_a_code(
    world: World,
    tenant: Tenant,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    """Nothing is written or removed, and the remedy is beside what was seen."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "garbage").write_bytes(b'{"checkpoint":1}\n\x00\xff')
    done = _run(world, tmp_path, *(tenant.name if each == "TENANT" else each for each in arguments))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "garbage"]
