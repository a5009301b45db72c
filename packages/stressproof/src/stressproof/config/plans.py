"""Profiles of a file as what is asked: scenarios with their requests, flows, tables and limits.

The texts of a file are read twice: when it is read, as they are written, so that every fault is
told at once; and when something is captured, with what the environment says in place of ``${}``.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from stressproof.config.amounts import duration_us, span_of
from stressproof.config.environment import filled, filled_values
from stressproof.config.executor_facts import executor_from
from stressproof.config.plan_file import PlanFile, inherited
from stressproof.config.plan_tables import (
    AuthTable,
    PartTable,
    RequestTable,
    ScenarioTable,
)
from stressproof.config.plan_tables import ProfileTable as Load
from stressproof.config.reading import read_bytes
from stressproof.errors import UsageError
from stressproof.evidence.project_files import project_file
from stressproof.evidence.workload import WorkloadFile
from stressproof.workload.auth import Auth, BasicAuth, BearerAuth, OAuth2Auth
from stressproof.workload.bodies import (
    MAX_FILE_BYTES,
    Body,
    FileBody,
    FileContent,
    FilePart,
    FormBody,
    JsonBody,
    MultipartBody,
    TextBody,
)
from stressproof.workload.flows import Flow
from stressproof.workload.rates import parse_duration_us, parse_rate
from stressproof.workload.requests import DEFAULT_STATUSES, Request
from stressproof.workload.scenarios import (
    DEFAULT,
    GRACEFUL_STOP_US,
    Scenario,
    Steps,
)
from stressproof.workload.tables import Rows, Table

MAX_NAMES = 256
"""Requests and flows of a profile."""

_TOKEN_BYTES = 65_536
_CLASS = re.compile(r"[2-5]xx", re.IGNORECASE)


def statuses_of(expect: int | str | list[int | str] | None) -> tuple[int, ...]:
    """Return the statuses that ``201``, ``[200, 404]`` or ``"2xx"`` mean, 2xx if nothing is said.

    Raises:
        UsageError: One of them is none.
    """
    if expect is None:
        return DEFAULT_STATUSES
    found: set[int] = set()
    for one in expect if isinstance(expect, list) else [expect]:
        if isinstance(one, int):
            found.add(one)
        elif _CLASS.fullmatch(one):
            found.update(range(int(one[0]) * 100, int(one[0]) * 100 + 100))
        else:
            raise UsageError(f"{one!r} is no status", hint="Write 201, [200, 404] or 2xx.")
    return tuple(sorted(found))


def checks_of(check: str | list[str] | None) -> tuple[str, ...]:
    """Return one or several checks."""
    if check is None:
        return ()
    return tuple(check) if isinstance(check, list) else (check,)


class PlanReader:
    """Reads profiles of a file.

    Args:
        file: What it says.
        environment: What ``${}`` is taken from; None leaves it as it is written.

    Attributes:
        files: What of the project was read on the way.
    """

    def __init__(self, file: PlanFile, environment: Mapping[str, str] | None) -> None:
        self._file = file
        self._environment = environment
        self.files: set[WorkloadFile] = set()

    def text(self, text: str) -> str:
        """Return a text with what the environment says."""
        return filled(text, self._environment)

    def texts(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers or fields with what the environment says."""
        return {name: self.text(value) for name, value in headers.items()}

    def scenarios(self, load: Load) -> tuple[Scenario, ...]:
        """Return the scenarios of a profile.

        Raises:
            UsageError: Something in it cannot be meant.
        """
        if load.scenario:
            if load.request or load.flow:
                raise UsageError(
                    "a profile of several scenarios has requests or flows of its own",
                    hint="Write them under a scenario.",
                )
            found = tuple(
                self.scenario(name, inherited(load, own)) for name, own in load.scenario.items()
            )
        else:
            found = (self.scenario(DEFAULT, load),)
        if sum(len(one.items) for one in found) > MAX_NAMES:
            raise UsageError(
                f"a profile has at most {MAX_NAMES} requests and flows",
                hint="Vary one request by a table.",
            )
        return found

    def scenario(self, name: str, table: ScenarioTable) -> Scenario:
        """Return one scenario; raises as `scenarios`."""
        steps = Steps(self.texts(table.headers), statuses_of(table.expect), checks_of(table.check))
        items: tuple[Request | Flow, ...] = (
            *(self.request(one, table, steps) for one in table.request if one.weight),
            *(Flow(one.name, one.run, one.weight) for one in table.flow),
        )
        names = [item.name for item in items]
        twice = sorted({one for one in names if names.count(one) > 1})
        if twice:
            raise UsageError(f"{twice[0]!r} is there twice", hint="Give one of them a name.")
        cookies = bool(table.flow) if table.cookies is None else table.cookies
        graceful_us = duration_us(table.graceful_stop)
        return Scenario(
            executor=executor_from(
                amounts_of(table), lambda word: word.removesuffix("_us"), ramp_us=0
            ),
            items=items,
            name=name,
            start_us=duration_us(table.start) or 0,
            think=span_of(table.think),
            pace=span_of(table.pace),
            fresh=bool(table.fresh),
            cookies=cookies,
            redirects=table.redirects or 0,
            setup=table.setup,
            graceful_stop_us=GRACEFUL_STOP_US if graceful_us is None else graceful_us,
            steps=steps,
            timeout_us=duration_us(table.timeout),
        )

    def request(self, table: RequestTable, scenario: ScenarioTable, steps: Steps) -> Request:
        """Return one request; what its scenario says stands where it says nothing."""
        headers = {**scenario.headers, **table.headers}
        timeout = table.timeout if table.timeout is not None else scenario.timeout
        redirects = scenario.redirects if table.redirects is None else table.redirects
        return Request(
            name=table.name,
            method=table.method.upper(),
            path=table.path,
            weight=table.weight,
            expected_statuses=(
                steps.expected_statuses if table.expect is None else statuses_of(table.expect)
            ),
            checks=steps.checks if table.check is None else checks_of(table.check),
            headers=self.texts(headers),
            query=tuple(
                (name, self.text(value if isinstance(value, str) else _shown(value)))
                for name, value in table.query.items()
            ),
            body=self.body(table),
            timeout_us=duration_us(timeout),
            redirects=redirects or 0,
            definition_sha256=_digest([headers, table.query, _bodies(table), redirects or 0]),
        )

    def body(self, table: RequestTable) -> Body | None:
        """Return what a request carries.

        Raises:
            UsageError: It has two bodies, or a file cannot be read.
        """
        given = [name for name, value in _bodies(table).items() if value is not None]
        if len(given) > 1:
            raise UsageError(
                f"{' and '.join(given)} are {len(given)} bodies", hint="Leave one of them."
            )
        if table.json is not None:
            value = filled_values(table.json, self._environment)
            return JsonBody(msgspec.json.encode(value).decode())
        if table.form is not None:
            return FormBody(tuple(self.texts(table.form).items()))
        if table.multipart is not None:
            return MultipartBody(
                tuple((name, self.part(part)) for name, part in table.multipart.items())
            )
        if table.body is not None:
            return TextBody(self.text(table.body))
        return None if table.body_file is None else FileBody(self.read(table.body_file, "body"))

    def part(self, part: str | PartTable) -> str | FilePart:
        """Return one part of a multipart body."""
        if isinstance(part, str):
            return self.text(part)
        content = self.read(part.file, "body")
        return FilePart(content, part.filename or Path(part.file).name, part.type)

    def tables(self) -> tuple[Table, ...]:
        """Return the tables of the file.

        Raises:
            UsageError: One cannot be read.
        """
        found = []
        for name, table in self._file.data.items():
            content = self.read(table.file, "data").content
            made = Table(
                name,
                table.file,
                content,
                cast("Literal['sequential', 'random', 'unique']", table.pick),
                cast("Literal['iteration', 'user']", table.per),
            )
            rows = len(Rows(made))
            self.files = {
                msgspec.structs.replace(file, rows=rows)
                if (file.path, file.role) == (table.file, "data")
                else file
                for file in self.files
            }
            found.append(made)
        return tuple(found)

    def read(self, path: str, role: Literal["data", "body"]) -> FileContent:
        """Return a file of the project.

        Raises:
            UsageError: It is not the project's, cannot be read, or is too large.
        """
        place = project_file(self._file.folder, path)
        if self._environment is None:
            return FileContent(path, b"")  # whoever captures reads it
        content = read_bytes(
            place,
            MAX_FILE_BYTES,
            "a file of a plan",
            "Name a file beside stressproof.toml.",
        )
        self.files.add(WorkloadFile(path, sha256(content).hexdigest(), role))
        return FileContent(path, content)

    def auth(self, table: AuthTable | None) -> Auth | None:
        """Return as whom requests are sent.

        Raises:
            UsageError: It says so twice, or a file cannot be read.
        """
        if table is None:
            return None
        given = [name for name in table.__struct_fields__ if getattr(table, name) is not None]
        if len(given) != 1:
            raise UsageError(
                f"auth is {' and '.join(given) or 'nothing'}",
                hint="Write one of basic, bearer, bearer_file and oauth2.",
            )
        if table.basic is not None:
            return BasicAuth(*map(self.text, table.basic))
        if table.bearer is not None:
            return BearerAuth(self.text(table.bearer))
        if table.oauth2 is not None:
            return OAuth2Auth(
                **{
                    name: self.text(value)
                    for name, value in msgspec.structs.asdict(table.oauth2).items()
                }
            )
        return BearerAuth(self._token(self.text(table.bearer_file or "")))

    def _token(self, path: str) -> str:
        file = self._file.folder / path
        content = read_bytes(file, _TOKEN_BYTES, "a token", "Name a file that holds one token.")
        try:
            return content.decode().strip()
        except ValueError as error:
            raise UsageError(
                f"{file} holds no token: it is not UTF-8", hint="Name another."
            ) from error


def amounts_of(table: ScenarioTable) -> dict[str, Any]:
    """Return how much a scenario asks, in the words of `executor_from`."""
    return {
        "executor": table.executor,
        "users": table.users,
        "rate": None if table.rate is None else parse_rate(_shown(table.rate)),
        "stages": [_stage(text) for text in table.stages or ()],
        "iterations": table.iterations,
        "max_vus": table.max_vus,
        "duration_us": duration_us(table.duration),
        "ramp_us": duration_us(table.ramp),
    }


def _stage(text: str) -> tuple[Any, Any]:
    target, _, time = text.rpartition(":")
    return parse_rate(target), parse_duration_us(time)


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _bodies(table: RequestTable) -> dict[str, Any]:
    names = ("json", "form", "multipart", "body", "body_file")
    return {name: getattr(table, name) for name in names}


def _digest(definition: Any) -> str:
    return sha256(msgspec.json.encode(definition, order="sorted")).hexdigest()
