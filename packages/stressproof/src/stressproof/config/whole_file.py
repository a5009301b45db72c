"""``stressproof.toml`` with its failures, and the JSON Schema of it that is published.

Few files have failures, and their tables take a while to be made: whoever reads a file without them
does without this module.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stressproof.config.failures.kind_tables import FAULT_TABLES, FaultTable
from stressproof.config.failures.plan import FailureFile
from stressproof.config.failures.tables import (
    EffectsTable,
    FailureTable,
    InvariantTable,
    TestbedTable,
)
from stressproof.config.schema import FILE_NAME, Config
from stressproof.failures.fault_kinds import FAULT_KINDS

SCHEMA_ID = "urn:stressproof:schema:stressproof-toml:1"
_COMMON_KEYS = f"#/$defs/{FaultTable.__name__}/properties"


class WholeFile(Config, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. Every table may be left out."""

    testbed: Annotated[
        TestbedTable | None, Meta(description="What runs while failures are injected.")
    ] = None
    effects: Annotated[
        EffectsTable | None, Meta(description="Where effects are read in the end.")
    ] = None
    invariant: Annotated[
        tuple[InvariantTable, ...],
        Meta(description="What must be true in the end.", max_length=100),
    ] = ()
    failure: Annotated[
        tuple[FailureTable, ...],
        Meta(description="What is broken, and what must hold then.", max_length=100),
    ] = ()

    @property
    def failures(self) -> FailureFile:
        """What it says of failures."""
        return FailureFile(self.testbed, self.effects, self.invariant, self.failure)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file."""
    made = msgspec.json.schema(WholeFile)
    common = msgspec.json.schema(FaultTable)["$defs"][FaultTable.__name__]
    made["$defs"][FaultTable.__name__] = common
    for name, table in FAULT_TABLES.items():
        keys = made["$defs"][table.__name__]["properties"]
        keys |= {key: {"$ref": f"{_COMMON_KEYS}/{key}"} for key in common["properties"]}
        says = f"{FAULT_KINDS[name].says} {FAULT_KINDS[name].limits}".rstrip()
        keys["kind"]["description"] = says
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": FILE_NAME,
        **made,
    }


def schema_text() -> str:
    """Return the JSON Schema as it is published: docs/schemas/stressproof-toml.json."""
    return (
        msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=2).decode() + "\n"
    )
