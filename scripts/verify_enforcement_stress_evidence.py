"""The protocol's validation command: judge a stress artifact and say why."""

import sys

from stressproof.cli.run import run
from stressproof.cli.verify_stress import command

if __name__ == "__main__":
    sys.exit(run(command, "verify_enforcement_stress_evidence.py"))
