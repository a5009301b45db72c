"""What lets a generator do more, for each limit that it met."""

from stressproof.evidence.derive import CPU_LIMIT_PPM
from stressproof.evidence.stress import StressArtifact


def remedies(artifact: StressArtifact) -> list[str]:
    """Return what lets the generator do more, for each limit that it met."""
    health = artifact.generator.worst
    workload = artifact.workload
    told = []
    if health.cpu_busy_ppm >= CPU_LIMIT_PPM:
        more = workload.workers < artifact.generator.cpus
        told.append(
            f"more processes (--workers {artifact.generator.cpus})"
            if more
            else "fewer and shorter headers and checks, or another machine beside this one"
        )
    if any(why.startswith("event loop") for why in health.saturated_reasons):
        told.append("a machine, or a core, on which nothing else runs")
    if any("for want of users" in why for why in health.saturated_reasons):
        told.append(f"raise --max-vus (it was {workload.max_users:,})")
    if health.file_limit_hits:
        told.append("raise the limit of open files (ulimit -Hn)")
    if health.port_limit_hits:
        told.append("let the service keep connections open, or use another machine as well")
    return told
