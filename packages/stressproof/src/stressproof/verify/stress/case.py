"""One artifact before its rules: read once, so that every rule sees the same."""

from functools import cached_property

from stressproof.config.stress_requirements import StressRequirements
from stressproof.evidence import derive
from stressproof.evidence.derive import Totals
from stressproof.evidence.endpoint_names import named
from stressproof.evidence.measurements import Latency
from stressproof.evidence.results import Results
from stressproof.evidence.stress import StressArtifact
from stressproof.evidence.versions import SCHEMA_VERSION
from stressproof.evidence.workload import WorkloadEndpoint
from stressproof.measure.buckets import MAX_INDEX
from stressproof.verify.case import EvidenceCase, instant
from stressproof.verify.lenient_decoder import ITEMS_MAX
from stressproof.verify.rule import Judgement
from stressproof.verify.stress.declared import FORM, PLAIN, DeclaredRun
from stressproof.verify.stress.sent import Sent, sent_by_name


class StressCase(EvidenceCase[StressRequirements, StressArtifact]):
    """Stress evidence, what is asked of it, and the time."""

    plain = PLAIN
    form = FORM

    @property
    def runs(self) -> list[DeclaredRun]:
        """The rounds that are there, none where the field is not a list."""
        return self.declared.runs or []

    @property
    def preflight_failed(self) -> bool:
        """Whether it says that no load was begun, since the preflight failed."""
        return self.data.get("status") == "preflight_failed"

    @property
    def broken_off(self) -> bool:
        """Whether it says that a signal, or what broke, ended it before its time."""
        return self.data.get("status") in {"interrupted", "broken"}

    @cached_property
    def run_captured_us(self) -> list[int | None]:
        """When each round was captured."""
        return [instant(run.captured_at) for run in self.runs]

    @property
    def workload(self) -> list[WorkloadEndpoint]:
        """What the workload asks; nothing without an artifact."""
        return self.artifact.workload.endpoints if self.artifact else []

    @cached_property
    def required_places(self) -> dict[str, list[int]]:
        """Where the workload has each required endpoint; nowhere without an artifact."""
        return {name: named(name, self.workload) for name in self.requirements.required_endpoints}

    @cached_property
    def sent(self) -> dict[str, Sent]:
        """What was sent to each route, by the names of its endpoints; nothing without an artifact.

        Rows need not be sound for it.
        """
        return {} if self.artifact is None else sent_by_name(self.artifact)

    @cached_property
    def computable(self) -> StressArtifact | None:
        """The artifact where its histograms can be added up, None where they would not stand it.

        A bucket beyond the layout would be shifted by as many bits as a forger likes, and rounds
        without rows would be added up once for each endpoint: memory for which nobody wrote bytes.
        """
        if self.artifact is None:
            return None
        endpoints = len(self.artifact.workload.endpoints)
        if endpoints > ITEMS_MAX or len(self.artifact.measurements.runs) > ITEMS_MAX:
            return None
        for run in self.artifact.measurements.runs:
            if len(run.rows) < endpoints:
                return None
            latencies = [row.corrected for row in run.every_row]
            latencies += [row.uncorrected for row in run.rows if row.uncorrected is not None]
            if not all(map(_computable, latencies)):
                return None
        return self.artifact

    def carried_out(self, judgement: Judgement) -> StressArtifact | None:
        """Return the artifact for rules about whole rounds that recompute.

        None where it is not sound, or was broken off; the judgement is told why.
        """
        if self.computable is None:
            judgement.skip(UNSOUND)
        elif self.broken_off:
            judgement.skip(BROKEN_OFF)
        else:
            return self.computable
        return None

    @cached_property
    def failed_outside(self) -> int:
        """Requests that failed before and after the measured windows of all rounds."""
        if self.artifact is None:
            return 0
        return sum(
            count
            for run in self.artifact.measurements.runs
            for row in (*run.setup, *run.ramp, *run.tail)
            for outcome, count in row.outcomes.items()
            if outcome != "ok"
        )

    @cached_property
    def endpoint_totals(self) -> list[list[Totals]]:
        """Each round's rows added up by endpoint; empty without a sound artifact."""
        if self.computable is None:
            return []
        endpoints = len(self.computable.workload.endpoints)
        return [derive.by_endpoint(run, endpoints) for run in self.computable.measurements.runs]

    @cached_property
    def round_totals(self) -> list[Totals]:
        """Each round's requests added up."""
        endpoints = self.computable.workload.endpoints if self.computable else []
        return [derive.of_requests(parts, endpoints) for parts in self.endpoint_totals]

    @cached_property
    def recomputed_rounds(self) -> list[Results]:
        """Each round's figures from its measurements; empty without a sound artifact."""
        if self.computable is None:
            return []
        samples = [run.results.errors_sample for run in self.computable.runs]
        measured = self.computable.measurements.runs
        samples += [[]] * (len(measured) - len(samples))
        return [
            derive.round_results(totals, run.elapsed_us, sample)
            for totals, run, sample in zip(self.round_totals, measured, samples, strict=False)
        ]


BROKEN_OFF = "the capture was broken off before its time, as stress.status says"
"""Why a rule about whole rounds has nothing to say."""

UNSOUND = f"no sound schema-{SCHEMA_VERSION} artifact: stress.typed and stress.rows say why"
"""Why a rule that recomputes has nothing to compute with."""


def _computable(latency: Latency) -> bool:
    pairs = latency.buckets
    return (
        len(pairs) % 2 == 0
        and max(pairs[::2], default=0) <= MAX_INDEX
        and sum(pairs[1::2]) == latency.n
        and (latency.max_us is None) == (latency.n == 0)
    )
