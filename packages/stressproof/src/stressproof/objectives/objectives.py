"""What is asked beyond floors and limits, as one value."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from stressproof.evidence.endpoint_names import names_of
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.objectives.comparison import Question
from stressproof.objectives.expression import Threshold
from stressproof.objectives.parser import parse_threshold
from stressproof.objectives.selection import Endpoint
from stressproof.objectives.slo import Slo


class Objectives(Struct, frozen=True):
    """Everything that is asked of a run.

    Attributes:
        thresholds: The three limits first, then what a file says, in its order.
        slos: Service level objectives.
        question: What a comparison is asked.
        tags: Tags of endpoints by either of their names.
    """

    thresholds: tuple[Threshold, ...] = ()
    slos: tuple[Slo, ...] = ()
    question: Question = Question()
    tags: dict[str, tuple[tuple[str, str], ...]] = {}

    def with_thresholds(self, texts: Sequence[str]) -> "Objectives":
        """Return the same with more thresholds, each such as ``http_req_failed: rate < 1%``.

        Raises:
            UsageError: One of them cannot be meant.
        """
        return self.with_more(tuple(parse_threshold(text) for text in texts))

    def with_more(self, thresholds: tuple[Threshold, ...]) -> "Objectives":
        """Return the same with more thresholds."""
        return msgspec.structs.replace(self, thresholds=self.thresholds + thresholds)

    def endpoints(self, workload: Sequence[WorkloadEndpoint]) -> tuple[Endpoint, ...]:
        """Return the endpoints of a workload with the tags that this gives them."""
        return tuple(Endpoint.of(one, self._tags_of(one)) for one in workload)

    def _tags_of(self, endpoint: WorkloadEndpoint) -> tuple[tuple[str, str], ...]:
        names = (endpoint.name, *names_of(endpoint.method, endpoint.path))
        return next((self.tags[name] for name in names if name in self.tags), ())
