"""A shop's project in a repository of its own, as its gate sees it."""

import subprocess
from pathlib import Path

from own_folder import Ran, stressproof_in
from shop_service import Shop

FILE = """
[target]
url = "{url}"

[targets.staging]
url = "{url}"

[data.skus]
file = "skus.csv"

[profile.shop]
users = 4
duration = "2s"
rounds = 2
timeout = "9s"

[[profile.shop.request]]
path = "/catalog?sku={{{{skus.sku}}}}"
check = "json"

[profile.shop.thresholds]
http_req_failed = "rate < 5%"

[gate]
profile = "shop"
rounds = 2
target = ["staging"]
steps = [{{ name = "tests", run = ["python", "-c", "pass"] }}]
"""
EVIDENCE = "stressproof-results/a.json"


class GatedShop:
    """A repository with a file, data and a policy branch that somebody else guards.

    Args:
        folder: Where it is.
        shop: What it is about.
    """

    def __init__(self, folder: Path, shop: Shop) -> None:
        self.folder = folder
        self.file = FILE.format(url=shop.url)
        self.run = stressproof_in(folder)
        (folder / "skus.csv").write_text("sku\na\nb\n")
        self.git("init", "-q")
        self.commit(self.file)
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")

    def git(self, *words: str) -> None:
        """Run git in it."""
        name = ("-c", "user.name=n", "-c", "user.email=a@example.com")
        subprocess.run(["git", *name, *words], cwd=self.folder, check=True, capture_output=True)

    def commit(self, file: str) -> None:
        """Commit everything, with another file."""
        (self.folder / "stressproof.toml").write_text(file)
        self.git("add", ".")
        self.git("commit", "-qm", "change")

    def changed(self, seen: str, instead: str) -> str:
        """Return the file with something in it replaced, which is there."""
        assert seen in self.file
        return self.file.replace(seen, instead)

    def capture(self, *flags: object) -> Ran:
        """Capture evidence."""
        return self.run("capture", "--out", EVIDENCE, *flags)

    def gate(self, *flags: object) -> Ran:
        """Ask the gate."""
        return self.run("gate", "release", "--stress-evidence-path", EVIDENCE, *flags)
