"""Write the documents that follow from the code: rules, schemas, templates, matrix and more.

    uv run python scripts/generate_docs.py [--check] [rules|schemas|templates|matrix|… ...]

With ``--check`` nothing is written and a document that is not current ends with 1.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from enforcement_suite.failure_requirements import FAILURE
from enforcement_suite.suite import SUITE
from enforcement_suite.templates import (
    FAILURE_TEMPLATE,
    STRESS_TEMPLATE,
    failure_template,
    stress_template,
)
from stressproof.cli.main import command as stressproof_command
from stressproof.cli.output import to_stderr
from stressproof.cli.run import run
from stressproof.config.whole_file import schema_text
from stressproof.gate.trust import TRUST_RULES
from stressproof.report import failure_catalogue
from stressproof.report.commands import commands_page
from stressproof.report.injection_matrix import render
from stressproof.report.rules import rules_page
from stressproof.report.schemas import PUBLISHED, PUBLISHED_PREDICATES, predicate_schema, schema
from stressproof.trust.attestation import RULES as ATTESTATION_RULES
from stressproof.trust.promotion import RULES as PROMOTION_RULES
from stressproof.verify.failure.verifier import RULES as FAILURE_RULES
from stressproof.verify.stress.verifier import RULES as STRESS_RULES

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("rules", "schemas", "templates", "matrix", "catalogue", "commands")
COMMANDS_INTRODUCTION = """\
# Commands

What `stressproof COMMAND --help` says, of every command. Defaults that a [suite](suites.md) brings
are here those of the enforcement service. Exit codes: [ops/exit-codes.md](ops/exit-codes.md).
"""
CATALOGUE_INTRODUCTION = """\
# Faults and checks

Every kind that a [failure scenario](failures.md) may name, and what it takes in
`stressproof.toml`. Beside that a fault has an `id`, a `kind`, a `target`, `lasts` (100ms to 10m),
and may have `recover`, `watch` and `how`; a check may say which requests (`of`, `each`) and which
faults (`during`) it is about. A fault whose witness did not grow by what it needs did not take
effect: inconclusive, whatever else holds.
"""
MATRIX_INTRODUCTION = """\
# Enforcement failure injection matrix

What `scripts/inject_enforcement_failures.py` injects into a live enforcement service with several
workers and a live PostgreSQL, and what must hold then. Written from the file that is run and held
against (`enforcement_suite/failures/stressproof.toml`): `uv run python scripts/generate_docs.py
matrix` writes it, and a test compares the two.

```bash
uv run python scripts/inject_enforcement_failures.py \\
  --output docs/ops/evidence/enforcement_failure_injection_2026-02-27.json \\
  --executed-by ada \\
  --approved-by grace
```
"""


def documents(kind: str) -> Iterator[tuple[Path, bytes]]:
    """Yield every document of a kind with what it must hold."""
    if kind == "rules":
        page = rules_page(
            (
                ("stress", STRESS_RULES, SUITE.stress_requirements()),
                ("failure", FAILURE_RULES, SUITE.failure_requirements()),
            ),
            "the enforcement suite",
            (
                ("Rules about who signed", ATTESTATION_RULES),
                ("Rules of a gate under a trust policy", TRUST_RULES),
                ("Rules of a promotion", PROMOTION_RULES),
            ),
        )
        yield ROOT / "docs" / "rules.md", page.encode()
    elif kind == "schemas":
        for name in PUBLISHED:
            yield ROOT / "docs" / "schemas" / f"{name}.json", schema(name)
        yield ROOT / "docs" / "schemas" / "stressproof-toml.json", schema_text().encode()
        for name in PUBLISHED_PREDICATES:
            yield ROOT / "docs" / "predicates" / f"{name}.json", predicate_schema(name)
    elif kind == "matrix":
        page = render(MATRIX_INTRODUCTION, FAILURE.scenarios)
        yield ROOT / "docs" / "ops" / "enforcement_failure_injection_matrix.md", page.encode()
    elif kind == "catalogue":
        page = failure_catalogue.render(CATALOGUE_INTRODUCTION)
        yield ROOT / "docs" / "failure-catalogue.md", page.encode()
    elif kind == "commands":
        yield (
            ROOT / "docs" / "commands.md",
            commands_page(stressproof_command, COMMANDS_INTRODUCTION).encode(),
        )
    else:
        yield ROOT / STRESS_TEMPLATE, stress_template()
        yield ROOT / FAILURE_TEMPLATE, failure_template()


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; say what is not current.")
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS))
def command(check: bool, kinds: tuple[str, ...]) -> int:  # noqa: FBT001  # a flag
    """Write the documents that follow from the code."""
    stale = [
        (path, content)
        for kind in kinds or KINDS
        for path, content in documents(kind)
        if not path.is_file() or path.read_bytes() != content
    ]
    for path, content in stale:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        to_stderr(f"{'not current' if check else 'written'}: {path.relative_to(ROOT)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(run(command, "generate_docs.py"))
