"""The OpenAPI document against the service, with data that fits it and data that does not."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from enforcement.api.paths import PREFIX, ROUTES
from enforcement.store.limits import MAX_PER_MINUTE
from running_service import Service, World, sign

CONFIG = Path(__file__).parent / "schemathesis.toml"
RULES = Path(__file__).parent / "schemathesis_rules.py"
CEILING_S = 600


def schemathesis(service: Service, token: str, folder: Path, *arguments: str) -> str:
    """Run it in a process of its own; its plugins do not share one with other tests."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(CONFIG),
            "run",
            f"{service.url}/openapi.json",
            *("--header", f"Authorization: Bearer {token}"),
            *("--continue-on-failure", "--no-color"),
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(RULES)},
        capture_output=True,
        text=True,
        timeout=CEILING_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


def test_a_slice_of_generated_requests_meets_no_surprise(
    service: Service, world: World, tmp_path: Path
) -> None:
    """Valid and invalid requests at every route get the statuses and shapes documented."""
    token = sign(world.tenant(per_minute=MAX_PER_MINUTE).callers["owner"])
    said = schemathesis(
        service,
        token,
        tmp_path,
        "--phases",
        "fuzzing",
        "--max-examples",
        "10",
        "--seed",
        "1",
    )
    served = [route for route in ROUTES if route[1] != "/openapi.json"]
    assert f"{len(served)} selected / {len(served)} total" in said


@pytest.mark.slow
@pytest.mark.timeout(CEILING_S)
def test_many_generated_requests_meet_no_surprise(
    service: Service, world: World, tmp_path: Path
) -> None:
    """As the slice, with every boundary, a hundred examples a route, and sequences of requests."""
    token = sign(world.tenant(per_minute=MAX_PER_MINUTE).callers["owner"])
    said = schemathesis(service, token, tmp_path, "--max-examples", "100")
    phases = [line for line in said.splitlines() if "Stateful" in line]
    assert phases, said
    assert not any("disabled" in line or "skipped" in line.lower() for line in phases), phases


def test_the_document_says_what_the_service_refuses(service: Service) -> None:
    """Bodies are closed, money is text, refusals are problems, tenant routes want a token."""
    document: dict[str, Any] = service.client.get("/openapi.json").json()
    components = document["components"]["schemas"]
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].split("/")[-1]
        for path in document["paths"].values()
        for operation in path.values()
        if "requestBody" in operation
    ]
    assert len(bodies) == 10
    for name in (*bodies, "PolicyDocument", "RoutingRule"):
        assert (name, components[name].get("additionalProperties")) == (name, False)
    assert components["GateBody"]["properties"]["estimated_monthly_delta_usd"]["type"] == "string"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert ("security" in operation) == path.startswith(PREFIX)
            for code, answer in operation["responses"].items():
                if path.startswith(PREFIX) and int(code) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"]
    gate = document["paths"][f"{PREFIX}/gate/terraform"]["post"]["responses"]
    assert {"200", "401", "403", "409", "422", "429", "503"} <= set(gate)
