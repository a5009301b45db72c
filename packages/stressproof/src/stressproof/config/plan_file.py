"""What a file says of loads: targets, tables and profiles, and what starts from what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from stressproof.config.environment import filled, names_in
from stressproof.config.plan_tables import DataTable, ScenarioTable, TargetTable
from stressproof.config.plan_tables import ProfileTable as Load
from stressproof.errors import UsageError
from stressproof.evidence.target import DEFAULT_TARGET
from stressproof.objectives.syntax import did_you_mean


class PlanFile(Struct, frozen=True):
    """What a file says of loads.

    Attributes:
        target: Where and as whom.
        targets: What differs from that, by name.
        data: Tables, by name.
        profiles: Loads, by name.
        folder: Where the file lies: what it names is relative to that.
    """

    target: TargetTable | None = None
    targets: dict[str, TargetTable] = {}
    data: dict[str, DataTable] = {}
    profiles: Mapping[str, Load] = {}
    folder: Path = Path()

    def target_of(self, name: str) -> TargetTable:
        """Return a target: the main one, or one by name with the rest from the main one.

        Raises:
            UsageError: There is none of this name.
        """
        main = self.target or TargetTable()
        if not name or name == DEFAULT_TARGET:
            return main
        if name not in self.targets:
            known = ", ".join(sorted(self.targets)) or "none"
            hint = did_you_mean(name, self.targets) or f"[targets] of the file has {known}."
            raise UsageError(f"there is no target {name!r}", hint=hint)
        own = self.targets[name]
        given = {
            field: value
            for field in own.__struct_fields__
            if (value := getattr(own, field)) not in (None, {})
        }
        return msgspec.structs.replace(main, **given)

    @property
    def target_urls(self) -> dict[str, str]:
        """The targets that have a URL, by name; of each its URL, empty where it is from outside."""
        names = [DEFAULT_TARGET, *self.targets] if self.target is not None else [*self.targets]
        urls = {name: self.target_of(name).url for name in names}
        return {
            name: "" if names_in(url) else filled(url, {}).strip().rstrip("/")
            for name, url in urls.items()
            if url
        }


def inherited(load: Load, own: ScenarioTable) -> ScenarioTable:
    """Return a scenario of a profile: what the profile says stands where it says nothing."""

    def said(name: str) -> Any:
        value = getattr(own, name)
        return value if value not in (None, {}, []) else getattr(load, name)

    found = {
        name: said(name)
        for name in ScenarioTable.__struct_fields__
        if name not in {"request", "flow"}
    }
    amounts = ("rate", "users", "executor", "duration", "stages", "iterations", "max_vus")
    if any(getattr(own, name) is not None for name in ("rate", "users", "executor", "stages")):
        found |= {
            name: getattr(own, name) for name in amounts if name not in {"duration", "max_vus"}
        }
    return ScenarioTable(**found, request=own.request, flow=own.flow)
