"""The protocol's failure injection command."""

import sys

from stressproof.cli.inject import script

sys.exit(script("enforcement_suite.suite:SUITE"))
