"""The protocol's failure injection command."""

import sys

from stressproof.cli.inject import script

sys.exit(script("scripts/inject_enforcement_failures.py", "enforcement_suite.suite:SUITE"))
