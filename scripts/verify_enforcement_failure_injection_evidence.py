"""The protocol's failure-evidence validation: judge an injection artifact and say why."""

import sys

from stressproof.cli.run import run
from stressproof.cli.verify_failure import command

if __name__ == "__main__":
    sys.exit(run(command, "verify_enforcement_failure_injection_evidence.py"))
