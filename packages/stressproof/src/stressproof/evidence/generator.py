"""The instrument: what it is, how it fared, and over what its requests travelled."""

from msgspec import Struct

from stressproof.evidence.fields import Text
from stressproof.evidence.measurements import Count


class GeneratorHealth(Struct, frozen=True, forbid_unknown_fields=True):
    """What the instrument says of itself, over one round or the worst over all.

    Attributes:
        cpu_busy_ppm: CPU time used, in millionths of one core (the busiest worker).
        loop_delay_mean_us: How late a due callback or request was, on average.
        loop_delay_p99_us: 99th percentile of that.
        loop_delay_max_us: The worst of them.
        late_starts: Requests sent more than 1 ms after they were due.
        dropped_iterations: Arrivals for which no virtual user was free.
        gc_pause_max_us: The longest garbage collection.
        rss_bytes: Peak resident memory of all workers together.
        file_limit_hits: Connections that failed for want of file descriptors.
        port_limit_hits: Connections that failed for want of local ports.
        saturated: The generator, not the target, may have been the limit.
        saturated_reasons: Why, one sentence each.
    """

    cpu_busy_ppm: Count
    loop_delay_mean_us: Count
    loop_delay_p99_us: Count
    loop_delay_max_us: Count
    late_starts: Count
    dropped_iterations: Count
    gc_pause_max_us: Count
    rss_bytes: Count
    file_limit_hits: Count
    port_limit_hits: Count
    saturated: bool
    saturated_reasons: list[Text]


class Connections(Struct, frozen=True, forbid_unknown_fields=True):
    """What the requests of one round travelled over.

    Attributes:
        protocol: ``http/1.1`` or ``h2``.
        opened: Connections by numeric address, the ramp's among them.
        tls_resumed: TLS handshakes that resumed an earlier session.
    """

    protocol: Text
    opened: dict[Text, Count]
    tls_resumed: Count


class GeneratorRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The instrument: what it is, where it ran, and its worst over all rounds."""

    tool: Text
    version: Text
    python: Text
    host: Text
    cpus: Count
    workers: Count
    worst: GeneratorHealth
