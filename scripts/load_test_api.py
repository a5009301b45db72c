"""The protocol's capture command."""

import sys

try:
    from stressproof.cli.capture import script
except ModuleNotFoundError as error:
    sys.stderr.write(f"{error}: this is not the workspace's environment\n")
    sys.stderr.write("  Run it as: uv run python scripts/load_test_api.py\n")
    sys.exit(2)

sys.exit(script("scripts/load_test_api.py", "enforcement_suite.suite:SUITE"))
