"""Five services, each with our file, a k6 script and a Locust file that ask the same."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from documented_code import lines_of_code
from example_shop import EXAMPLE, free_port
from wishes import run_in

FOLDER = EXAMPLE.parent / "coming-from"
COUNTED = Path(__file__).with_name("counted_service.py")


@dataclass(frozen=True)
class TwinService:
    """One of the five, made quick.

    Attributes:
        name: Its folder.
        profile: What our file calls it.
        urls: Variables that say where it is.
        quick: What the tests write instead of the files' own figures, in all three files.
        users: Users of Locust.
        each: Answers that belong together: an iteration has as many of one as of the other.
        may: Answers of which an iteration has as many as it takes.
        secrets: Variables that the files take.
    """

    name: str
    profile: str
    urls: tuple[str, ...]
    quick: Mapping[str, str]
    users: int
    each: tuple[tuple[str, ...], ...]
    may: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)

    def lay_out(self, folder: Path) -> None:
        """Put its files into a folder, made quick."""
        shutil.copytree(FOLDER / self.name, folder, dirs_exist_ok=True)
        if self.name == "rest-shop":
            for name in ("stressproof.toml", "flows.py", "skus.csv", "users.csv"):
                shutil.copy(EXAMPLE / name, folder)
        for path in folder.iterdir():
            if path.suffix in {".toml", ".py", ".js"} and path.name != "server.py":
                text = path.read_text(encoding="utf-8")
                for slow, quick in self.quick.items():
                    text = text.replace(slow, quick)
                path.write_text(text, encoding="utf-8")

    @property
    def lines(self) -> tuple[int, int, int]:
        """Lines of code of our files, of k6's and of Locust's; our gate is not counted."""
        ours = EXAMPLE if self.name == "rest-shop" else FOLDER / self.name
        plan = (ours / "stressproof.toml").read_text(encoding="utf-8").partition("[gate]")[0]
        flows = ours / "flows.py"
        texts = [plan + (flows.read_text(encoding="utf-8") if flows.is_file() else "")]
        texts += [
            (FOLDER / self.name / name).read_text(encoding="utf-8")
            for name in ("k6.js", "locustfile.py")
        ]
        ours_lines, k6_lines, locust_lines = map(lines_of_code, texts)
        return ours_lines, k6_lines, locust_lines

    @contextlib.contextmanager
    def running(
        self, folder: Path, environment: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, str]]:
        """Serve until the end of the block; then ``counts.json`` says what was answered.

        Yields:
            What the files take from the environment.
        """
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        variables = {**self.secrets, **dict.fromkeys(self.urls, url), **(environment or {})}
        # The shop is a project, whose database its command prepares; the others are a file each.
        server = EXAMPLE / "shop" / "app.py" if self.name == "rest-shop" else folder / "server.py"
        with subprocess.Popen(
            [sys.executable, COUNTED, server, str(port), folder / "counts.json"],
            env={**os.environ, "PYTHONPATH": str(EXAMPLE), **variables},
        ) as process:
            try:
                _wait(url, process)
                yield variables
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)

    def run(
        self, folder: Path, tool: str, variables: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the three files to its end."""
        capture = f"stressproof capture --profile {self.profile}"
        commands = {
            "stressproof": f"{capture} --out run.json --no-enforce",
            "k6": "k6 run --quiet --no-usage-report k6.js",
            "locust": f"locust --headless -u {self.users} -r 100 -t 6s",
        }
        return run_in(folder, commands[tool], variables)


def counts(folder: Path) -> dict[str, int]:
    """Return what the service answered, without the question whether it is up."""
    found: dict[str, int] = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    return {name: count for name, count in found.items() if "/up-yet" not in name}


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert process.poll() is None, "the service ended"
        try:
            with urlopen(f"{url}/up-yet"):  # noqa: S310  # ours, on loopback
                return
        except OSError as error:
            if getattr(error, "code", None) == 404:
                return
        time.sleep(0.1)
    raise AssertionError("the service does not answer")


SERVICES = (
    TwinService(
        name="rest-shop",
        profile="shop",
        urls=("SHOP_URL",),
        quick={'"15s"': '"3s"', "rounds = 3": "rounds = 1"},
        users=40,
        each=(
            ("GET /products/{} 200",),
            ("POST /carts 201", "POST /carts/{}/items 201", "POST /orders 201"),
        ),
        may=("POST /login 200",),
        secrets={"SHOP_KEY": "k"},
    ),
    TwinService(
        name="oauth2",
        profile="api",
        urls=("API_URL", "ID_URL"),
        quick={
            '"2h"': '"3s"',
            "500/s": "20/s",
            "rate: 500": "rate: 20",
            "max_vus = 500": "max_vus = 20",
            "preAllocatedVUs: 500": "preAllocatedVUs: 20",
            "500ms": "5s",
            "(99)<500": "(99)<5000",
            "0.99) > 500": "0.99) > 5000",
        },
        users=20,
        each=(("GET /v1/orders 200",),),
        may=("POST /oauth/token 200",),
        secrets={"CLIENT_SECRET": "s"},
    ),
    TwinService(
        name="graphql",
        profile="graph",
        urls=("GRAPH_URL",),
        quick={
            '"2m"': '"3s"',
            "vus: 50": "vus: 5",
            "users = 50": "users = 5",
            "150ms": "5s",
            "p(95)<150": "p(95)<5000",
            "0.95) > 150": "0.95) > 5000",
        },
        users=5,
        each=(("POST /graphql 200",),),
        secrets={"API_KEY": "k"},
    ),
    TwinService(
        name="upload-poll",
        profile="convert",
        urls=("CONVERTER_URL",),
        quick={
            '"10m"': '"3s"',
            "sleep(2)": "sleep(0.2)",
            "think(2)": "think(0.2)",
            "max_vus = 200": "max_vus = 20",
        },
        users=20,
        each=(("POST /files 202", "GET /jobs/{}/result 200"),),
        may=("GET /jobs/{} 200",),
        secrets={"API_KEY": "k"},
    ),
    TwinService(
        name="html-site",
        profile="site",
        urls=("SITE_URL",),
        quick={
            '"5m"': '"3s"',
            "sleep(2 + 3 *": "sleep(0.2 + 0.3 *",
            "uniform(2, 5)": "uniform(0.2, 0.5)",
            "think(2, 5)": "think(0.2, 0.5)",
        },
        users=20,
        each=(
            ("GET / 200",),
            ("GET /login 200", "POST /login 303", "GET /welcome 200", "GET /account 200"),
        ),
    ),
)
