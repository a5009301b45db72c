"""The protocol's capture command."""

import sys

from stressproof.cli.capture import script

sys.exit(script("scripts/load_test_api.py", "enforcement_suite.suite:SUITE"))
