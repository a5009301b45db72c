"""A suite: what is asked of one service, as one value, and how it is found.

The tool serves anybody's service and knows none. What is particular to one (endpoints, floors,
failure scenarios, names of variables) is a `Suite`, which its package offers under the entry point
group ``stressproof.suites``, which ``[suite]`` in a project's ``stressproof.toml`` names, or which
a script names itself. Where a script or file names it, no entry point is looked up.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stressproof.config.stress_requirements import StressRequirements
from stressproof.dotted_path import NotInstalledError, broken, nearest, resolve
from stressproof.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints
    from pathlib import Path

    from stressproof.config.compile import Project
    from stressproof.config.failure_requirements import FailureRequirements
    from stressproof.config.profile import Profile
    from stressproof.evidence.results import Thresholds

GROUP = "stressproof.suites"
"""The entry point group under which packages offer suites."""


class Variables(Struct, frozen=True):
    """What the environment variables of the gates begin with.

    Attributes:
        stress: Of those about stress evidence, such as ``SHOP_STRESS_EVIDENCE_``.
        failure: Of those about failure evidence.
    """

    stress: str = "STRESSPROOF_STRESS_EVIDENCE_"
    failure: str = "STRESSPROOF_FAILURE_EVIDENCE_"


class LocalService(Struct, frozen=True):
    """Where a service on this machine leaves a token for its own user.

    Attributes:
        state_folder: Its folder in ``XDG_STATE_HOME``; a file there is called
            ``<host>_<port>.json``, mode 0600, and holds ``token`` and ``instance_id``.
        start: The command that starts it, for people.
        issue: The command that issues a token, for people.
    """

    state_folder: str
    start: str
    issue: str


class HealthProbe(Struct, frozen=True):
    """The page on which a service says who it is and which database it uses.

    Attributes:
        path: What is asked, with the capture's token.
        members: Fields of `stressproof.evidence.target.TargetProbe` and ``RuntimeProbe`` by where
            the JSON answer has them, such as ``{"version": "build.version"}``.
        unsafe: Where the answer lists protections that are switched off.
    """

    path: str
    members: Mapping[str, str]
    unsafe: str = "unsafe"


class CounterProbe(Struct, frozen=True):
    """The Prometheus page on which a service counts requests.

    Attributes:
        path: What is asked, with the capture's token.
        metric: The counter.
        method_label: Its label with the HTTP method.
        route_label: Its label with the route.
        status_label: Its label with the status of the answer.
        duration_metric: The histogram of the seconds that requests took, with the same labels of
            method and route; empty for none.
    """

    path: str
    metric: str
    method_label: str = "http_request_method"
    route_label: str = "http_route"
    status_label: str = "http_response_status_code"
    duration_metric: str = ""


class ParityProbe(Struct, frozen=True):
    """The page on which a service compares its records with its journal.

    Attributes:
        path: What is asked, with the capture's token.
        members: Fields of `stressproof.evidence.target.ParityReading` by where the JSON answer has
            them.
    """

    path: str
    members: Mapping[str, str]


class Probes(Struct, frozen=True):
    """What a service may be asked about itself, before and after the load; nothing by default.

    Attributes:
        health: Who it is.
        counters: What it counted.
        parity: What it finds when it compares its books.
        limits: The path of a JSON object with the rate limits of this caller; empty for none.
    """

    health: HealthProbe | None = None
    counters: CounterProbe | None = None
    parity: ParityProbe | None = None
    limits: str = ""


class Suite(Struct, frozen=True, kw_only=True):
    """What is asked of one service.

    Parts that a verification does not need are named by dotted path (``package.module:NAME``) and
    imported when they are used: profiles, failure requirements, their file and demo. A suite of one
    file may hold profiles and failure requirements themselves.

    Attributes:
        name: As ``[suite]`` and people call it.
        version: Of the suite; evidence and decisions may name it.
        stress: Requirements of stress evidence, one for each profile; the gates ask the first.
        failure: Requirements of failure evidence, with the failure scenarios that it must hold;
            None where none is ever asked for.
        profiles: What a capture may ask.
        variables: What the variables of the gates begin with.
        local_service: Where a service on this machine leaves its token, None for nowhere.
        probes: What a service may be asked about itself.
        gate_asks_failure: Whether a gate demands failure evidence, where the suite has any.
        failure_file: Dotted path of the `Path` of a ``stressproof.toml`` with these scenarios, and
            with what is started for them.
        failure_page: Where the failure scenarios are explained, as a path in the checkout.
        unsupported: Faults that cannot be injected here, with the reason.
        demo: Dotted path of the click command that ``stressproof demo`` runs.
        documentation: Where the variables and limits are explained, for hints.
    """

    name: str
    version: str
    stress: tuple[StressRequirements, ...]
    failure: "FailureRequirements | str | None" = None
    gate_asks_failure: bool = True
    profiles: "tuple[Profile, ...] | str"
    variables: Variables = Variables()
    local_service: LocalService | None = None
    probes: Probes = Probes()
    failure_file: str = ""
    failure_page: str = ""
    unsupported: Mapping[str, str] = {}
    demo: str = ""
    documentation: str = ""

    def __post_init__(self) -> None:
        if not self.stress:
            raise UsageError(
                f"the suite {self.name} asks nothing of stress evidence",
                hint="Give it requirements for at least one profile.",
            )

    def stress_requirements(self, profile: str = "") -> StressRequirements:
        """Return what is asked of stress evidence of a profile, the first one's if none is named.

        A profile without requirements of its own keeps the first one's floors, and all of its
        endpoints are required; which limits it meets is not known. What the probes ask a service, a
        gate may demand.

        Raises:
            UsageError: The suite has no such profile: nothing would be demanded of it.
        """
        first = self.stress[0]
        known = next(
            (one for one in self.stress if one.profile == (profile or first.profile)), None
        )
        if known is not None:
            return self._with_probes(known)
        endpoints = self.profile(profile).endpoints
        required = tuple(f"{endpoint.method} {endpoint.path}" for endpoint in endpoints)
        return self._with_probes(
            msgspec.structs.replace(
                first, profile=profile, required_endpoints=required, load_limits=()
            )
        )

    def _with_probes(self, asked: StressRequirements) -> StressRequirements:
        """Return requirements that know what a service is asked about itself."""
        health = self.probes.health
        return msgspec.structs.replace(
            asked,
            health_endpoint=asked.health_endpoint or (health.path if health else ""),
            health_members=asked.health_members or (tuple(health.members) if health else ()),
            gate_asks_limits=asked.gate_asks_limits
            or (asked.gate_asks_service and bool(self.probes.limits)),
        )

    def limits(self, profile: str) -> "Thresholds":
        """Return the limits of a profile, the first one's where it has none of its own."""
        known = (one for one in self.stress if one.profile == profile)
        return next(known, self.stress[0]).thresholds

    def failure_requirements(self) -> "FailureRequirements":
        """Return what is asked of failure evidence.

        Raises:
            UsageError: The suite asks nothing, or what it names cannot be loaded.
        """
        from stressproof.config.failure_requirements import (  # noqa: PLC0415  # not for stress
            FailureRequirements,
        )

        if self.failure is None:
            raise UsageError(
                f"the suite {self.name} has no failure scenarios",
                hint="Name a suite that has some: [suite] in stressproof.toml.",
            )
        found = self.failure
        if isinstance(found, str):
            found = resolve(found, FailureRequirements, of=f"the suite {self.name}")
        return found

    def failure_project(self) -> "Project":
        """Return the file with the failure scenarios, as a project's own is.

        Raises:
            UsageError: The suite has none, or it cannot be meant.
        """
        from pathlib import Path  # noqa: PLC0415  # likewise

        from stressproof.config.compile import load_config  # noqa: PLC0415  # likewise

        if not self.failure_file:
            raise UsageError(
                f"the suite {self.name} has no file of failures, so there is nothing to inject",
                hint="Write [testbed] and [[failure]] into stressproof.toml.",
            )
        return load_config(resolve(self.failure_file, Path, of=f"the suite {self.name}"))

    def profile_table(self) -> "dict[str, Profile]":
        """Return what a capture may ask, by name.

        Raises:
            UsageError: What the suite names cannot be loaded.
        """
        found = self.profiles
        if isinstance(found, str):
            found = resolve(found, tuple, of=f"the suite {self.name}")
        return {profile.name: profile for profile in found}

    def profile(self, name: str) -> "Profile":
        """Return one profile.

        Raises:
            UsageError: There is none of this name.
        """
        table = self.profile_table()
        if name in table:
            return table[name]
        near = nearest(name, table)
        offer = f"; did you mean {near}?" if near else ""
        raise UsageError(
            f"there is no profile {name!r}{offer}",
            hint=f"The suite {self.name} has {', '.join(sorted(table))}.",
        )


PLAIN = Suite(
    name="plain",
    version="1",
    stress=(
        StressRequirements(
            profile="health",
            min_rounds=3,
            min_duration_seconds=30,
            min_concurrent_users=10,
            max_p95_seconds=1.0,
            max_error_rate_percent=1.0,
            min_throughput_rps=1.0,
            required_endpoints=("/health/live",),
        ),
        StressRequirements(
            profile="health_deep",
            min_rounds=3,
            min_duration_seconds=30,
            min_concurrent_users=10,
            max_p95_seconds=4.0,
            max_error_rate_percent=2.0,
            min_throughput_rps=0.2,
            required_endpoints=("/health/live", "/health"),
        ),
    ),
    profiles="stressproof.config.profile:PLAIN",
)
"""What is asked of a service that nobody wrote a suite for."""


def suite_of(project: "Project", *, at_gate: bool = False) -> Suite:
    """Return the suite that a project names, or the one that is installed, or `PLAIN` if none is.

    Args:
        project: What its ``stressproof.toml`` says.
        at_gate: Whether a gate asks, which imports no Python of the checkout that it judges.

    Raises:
        NotInstalledError: It is not installed; the hint says which package to install where the
            project's file does.
        UsageError: As `find_suite` does, or a gate would have to run the project's own file.
    """
    if at_gate and _is_file(project.suite):
        raise UsageError(
            f"the project's suite is its own file {project.suite}, and a gate runs no code of the "
            "checkout that it judges to find out what it asks",
            hint="Install the suite as a package and name it by package.module:SUITE.",
        )
    if not project.suite and project.plan.profiles:
        return _of_file(project)
    try:
        return find_suite(project.suite, folder=project.folder)
    except NotInstalledError as error:
        if not project.suite_package:
            raise
        hint = f"Install it, for example: pip install {project.suite_package}"
        raise NotInstalledError(error.message, hint=hint) from error


def _of_file(project: "Project") -> Suite:
    """Return what a project's own file asks; no entry point is looked up for it."""
    from stressproof.config.file_failures import (  # noqa: PLC0415  # only for files with profiles
        failure_file_requirements,
    )
    from stressproof.config.file_suite import (  # noqa: PLC0415  # likewise
        file_profiles,
        file_requirements,
    )

    return Suite(
        name="stressproof.toml",
        version="1",
        stress=file_requirements(project),
        failure=failure_file_requirements(project),
        gate_asks_failure=project.gate.failures,
        profiles=file_profiles(project),
    )


def _is_file(named: str) -> bool:
    file, colon, _ = named.rpartition(":")
    return bool(colon) and file.endswith(".py")


def find_suite(named: str = "", *, folder: "Path | None" = None) -> Suite:
    """Return the suite that is named, or the one that is installed, or `PLAIN` if none is.

    Args:
        named: A dotted path (``package.module:SUITE``), a Python file (``suite.py:SUITE``), or the
            name of an entry point; empty for the one that is installed.
        folder: What a file is relative to; the working directory if None.

    Raises:
        NotInstalledError: It is not installed.
        UsageError: It cannot be loaded or is no suite; or several are installed and none is named.
    """
    if _is_file(named):
        file, _, name = named.rpartition(":")
        from pathlib import Path  # noqa: PLC0415  # 4 ms that no suite by its path needs

        return _from_file((folder or Path()) / file, name)
    if ":" in named:
        return resolve(named, Suite, of="the suite")
    return _installed(named)


def _installed(named: str) -> Suite:
    from importlib.metadata import entry_points  # noqa: PLC0415  # two interpreter starts

    found: EntryPoints = entry_points(group=GROUP)
    names = sorted({one.name for one in found})
    if not named:
        if not names:
            return PLAIN
        if len(names) > 1:
            raise UsageError(
                f"{len(names)} suites are installed ({', '.join(names)}), and none is named",
                hint=f'Name one in stressproof.toml: [suite] use = "{names[0]}"',
            )
        named = names[0]
    if named not in names:
        offer = f"installed: {', '.join(names)}" if names else "none is installed"
        raise NotInstalledError(
            f"the suite {named!r} is not installed ({offer})",
            hint=f"Install the package that offers it under the entry point group {GROUP}.",
        )
    paths = sorted({one.value for one in found if one.name == named})
    if len(paths) > 1:
        raise UsageError(
            f"several packages offer a suite {named!r}: {', '.join(paths)}",
            hint=f'Name one of them in stressproof.toml: [suite] use = "{paths[0]}"',
        )
    return resolve(paths[0], Suite, of=f"the suite {named!r}")


def _from_file(path: "Path", name: str) -> Suite:
    import importlib.util  # noqa: PLC0415  # only for files

    of = f"the suite in {path}"
    if not path.is_file():
        raise NotInstalledError(
            f"{of} is not there", hint="Name a Python file, relative to the project."
        )
    module_name = f"stressproof_suite_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{of} cannot be loaded", hint="Name a Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        found = getattr(module, name)
    except (Exception, SystemExit) as error:
        raise broken(f"{path}:{name}", "the suite", error) from error
    if not isinstance(found, Suite):
        raise UsageError(
            f"{of}: {name} is a {type(found).__name__}, expected a Suite",
            hint="Make it a stressproof.suite.Suite.",
        )
    return found
