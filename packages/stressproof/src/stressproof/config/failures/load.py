"""The profile that a failure names as its load, with everything that makes it none."""

from collections.abc import Collection, Mapping

from stressproof.config.amounts import rate_per_s, time_us
from stressproof.config.failures.requests import Asked, Known, asked_of
from stressproof.config.failures.tables import FailureTable
from stressproof.config.mistakes import Mistakes
from stressproof.config.plan_file import PlanFile
from stressproof.config.plan_tables import ProfileTable as Load
from stressproof.config.positions import Place
from stressproof.failures.parameters import MS, S
from stressproof.workload.templates import placeholders

_TIMEOUT_US = 8 * S
_OPEN_RATE = "An outage must show as waiting: write rate = 20/s, and nothing beside it."
_CLOSED = ("users", "stages", "iterations", "think", "pace")
_OF_USERS = ("setup", "fresh", "cookies")
_CONSTANT = frozenset({None, "constant-arrival-rate"})


class LoadReader:
    """Reads the load of one failure.

    Args:
        table: The failure.
        place: Where it stands.
        plan: What the file says of loads.
        known: What texts may take from rows.
        environment: What ``${}`` is taken from; None leaves it as it is written.
        mistakes: Takes what is wrong.

    Attributes:
        load: The profile, None where there is none that it could be.
        asked: Its requests by their names; none where one cannot be read.
    """

    def __init__(
        self,
        table: FailureTable,
        place: Place,
        plan: PlanFile,
        known: Known,
        environment: Mapping[str, str] | None,
        mistakes: Mistakes,
    ) -> None:
        self._table = table
        self._place = place
        self._plan = plan
        self._known = known
        self._mistakes = mistakes
        self.load = self._load()
        self.asked: dict[str, Asked] = {}
        if self.load is not None:
            self.asked = asked_of(plan, table.load, environment)

    def rate_per_s(self) -> int:
        """Return its arrivals a second: the failure's, or the profile's."""
        place, rate = (*self._place, "rate"), self._table.rate
        if rate is not None:
            return self._mistakes.attempt(place, rate_per_s, rate) or 1
        if self.load is None or self.load.rate is None:
            return 1
        return self._mistakes.attempt((*self._profile, "rate"), rate_per_s, self.load.rate) or 1

    def timeout_us(self) -> int:
        """Return after what time a request is given up."""
        if self.load is None or self.load.timeout is None:
            return _TIMEOUT_US
        place, bounds = (*self._profile, "timeout"), (MS, 600 * S)
        return self._mistakes.attempt(place, time_us, self.load.timeout, *bounds) or _TIMEOUT_US

    def demand_sendable(self, names: Collection[str]) -> None:
        """Refuse what stands for nothing in some requests, and tokens that nobody fetches."""
        used = [one for name, one in self.asked.items() if name in names]
        for one in used:
            place = (*self._profile, "request", one.at)
            problem = self._known.problem(one.request.placeholders)
            if problem is not None:
                message = f"{one.request.name}: {problem.message}"
                self._mistakes.add(place, message, problem.hint)
            effect = one.table.effect
            column = placeholders(effect)
            if effect and (column != {effect.strip("{} ")} or self._known.problem(column)):
                self._mistakes.add(
                    (*place, "effect"),
                    f"{effect!r} is no column",
                    "Such as {{tokens.effect}}; a new effect is {{effect}} where it is sent.",
                )
        auth = None if self._plan.target is None else self._plan.target.auth
        own = all("authorization" in map(str.lower, one.request.headers) for one in used)
        if auth is not None and auth.oauth2 is not None and not own:
            self._mistakes.add(
                ("target", "auth"),
                "failures fetch no token while things break",
                "Make tokens in prepare, and send them as a header of the requests.",
            )

    @property
    def _profile(self) -> Place:
        return ("profile", self._table.load)

    def _load(self) -> Load | None:
        profiles, name = self._plan.profiles, self._table.load
        if name not in profiles:
            if self._mistakes.knows("profile"):
                self._mistakes.lead_nowhere((*self._place, "load"), "profile", name, profiles)
            return None
        self._demand_open(profiles[name])
        known = self._mistakes.knows(*self._profile) and not profiles[name].scenario
        return profiles[name] if known else None

    def _refuse(self, message: str, hint: str) -> None:
        place = (*self._place, "load")
        self._mistakes.add(place, f"the profile {self._table.load!r} {message}", hint)

    def _demand_open(self, load: Load) -> None:
        """Refuse what is no load of single requests at a rate."""
        if load.scenario:
            self._refuse("has several scenarios", "A failure's load is one, of requests at a rate.")
            return
        closed = [key for key in _CLOSED if getattr(load, key) is not None]
        if closed or load.executor not in _CONSTANT:
            what = " and ".join(closed) or f"the executor {load.executor}"
            self._refuse(f"has {what}", _OPEN_RATE)
        elif load.rate is None and self._table.rate is None:
            self._refuse("has no rate", _OPEN_RATE)
        if load.flow:
            hint = "Failures are asked for by requests; make what they need in prepare."
            self._refuse("has flows", hint)
        of_users = [key for key in _OF_USERS if getattr(load, key)]
        if of_users:
            hint = "Failures have no users; leave that out."
            self._refuse(f"has {' and '.join(of_users)}", hint)
        if load.redirects or any(one.redirects for one in load.request):
            self._refuse("follows redirects", "Ask for what they lead to.")
        if not any(request.weight for request in load.request):
            self._refuse("asks for nothing by itself", "Give a request a weight.")
