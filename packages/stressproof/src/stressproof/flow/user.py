"""A user as its flows see it."""

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Unpack

from stressproof.flow.answer import Answer, CheckFailedError
from stressproof.flow.asking import Ask, BodyOptions, Options, Pause, Scalar, answered, paused

Row = Mapping[str, Any]


class User:
    """One user of a scenario, who runs one iteration after another.

    Args:
        number: Which user this is.
        seed: What `random` follows from, with the iteration.
        uuid: Makes UUIDs.

    Attributes:
        number: From 0; no other user of the round has it.
        iteration: From 0; no other iteration of the scenario has it.
        data: This iteration's (or user's) row of each ``[data]`` table.
        state: The flow's own, as long as the user lives.
        headers: Sent with each request from here on.
        cookies: Kept from answers.
        failed_check: The first check that failed in this iteration, empty for none.
    """

    __slots__ = (
        "_random",
        "_seed",
        "_uuid",
        "cookies",
        "data",
        "failed_check",
        "headers",
        "iteration",
        "number",
        "state",
    )

    def __init__(self, number: int, seed: str, uuid: Callable[[], str]) -> None:
        self.number = number
        self.iteration = 0
        self.data: Mapping[str, Row] = {}
        self.state: dict[str, Any] = {}
        self.headers: dict[str, str] = {}
        self.cookies: dict[str, str] = {}
        self.failed_check = ""
        self._seed = seed
        self._uuid = uuid
        self._random: Random | None = None

    def begin(self, iteration: int, data: Mapping[str, Row]) -> None:
        """Begin an iteration."""
        self.iteration = iteration
        self.data = data
        self.failed_check = ""
        self._random = None

    def forget(self) -> None:
        """Be as new: without cookies, headers and state."""
        self.state, self.headers, self.cookies = {}, {}, {}

    @property
    def random(self) -> Random:
        """Randomness that follows from the profile's seed and the iteration."""
        if self._random is None:
            self._random = Random(f"{self._seed}/{self.iteration}")  # noqa: S311  # to be repeated
        return self._random

    def uuid(self) -> str:
        """Return a UUID that no other request of any round has."""
        return self._uuid()

    async def think(self, seconds: float, most: float | None = None) -> None:
        """Wait as long as people do: so many seconds, or evenly between that and ``most``.

        Raises:
            ValueError: It is no time from 0 on, or ``most`` is less.
        """
        last = seconds if most is None else most
        if not (0 <= seconds <= last < math.inf):
            shown = f"{seconds}" if most is None else f"{seconds}, {most}"
            raise ValueError(f"think({shown}) is no time; write seconds, the shorter one first")
        await paused(Pause(seconds if most is None else self.random.uniform(seconds, most)))

    def check(self, name: str, ok: object) -> None:
        """End the iteration as failed where something that was looked at does not hold."""
        if not ok:
            self.failed_check = self.failed_check or name
            raise CheckFailedError(name)

    async def get(self, path: str, *values: Scalar, **options: Unpack[Options]) -> Answer:
        """Ask for a path; braces in it take the values, percent-encoded, in their order.

        Args:
            path: After the target's base path; it is the request's name with its braces.
            values: What stands for the braces.
            options: `stressproof.flow.asking.Options`.

        Raises:
            RequestFailed: There is no answer that will do.
        """
        return await answered(Ask("GET", path, values, **options))

    async def head(self, path: str, *values: Scalar, **options: Unpack[Options]) -> Answer:
        """Ask for a path's headers alone; see `get`."""
        return await answered(Ask("HEAD", path, values, **options))

    async def options(self, path: str, *values: Scalar, **options: Unpack[Options]) -> Answer:
        """Ask what a path allows; see `get`."""
        return await answered(Ask("OPTIONS", path, values, **options))

    async def post(self, path: str, *values: Scalar, **options: Unpack[BodyOptions]) -> Answer:
        """Send something to a path; see `get`, with `stressproof.flow.asking.BodyOptions`."""
        return await answered(Ask("POST", path, values, **options))

    async def put(self, path: str, *values: Scalar, **options: Unpack[BodyOptions]) -> Answer:
        """Put something at a path; see `post`."""
        return await answered(Ask("PUT", path, values, **options))

    async def patch(self, path: str, *values: Scalar, **options: Unpack[BodyOptions]) -> Answer:
        """Change something at a path; see `post`."""
        return await answered(Ask("PATCH", path, values, **options))

    async def delete(self, path: str, *values: Scalar, **options: Unpack[BodyOptions]) -> Answer:
        """Delete something at a path; see `post`."""
        return await answered(Ask("DELETE", path, values, **options))
