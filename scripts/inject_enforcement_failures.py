"""The protocol's failure injection command."""

import sys

try:
    from stressproof.cli.inject import script
except ModuleNotFoundError as error:
    sys.stderr.write(f"{error}: this is not the workspace's environment\n")
    sys.stderr.write("  Run it as: uv run python scripts/inject_enforcement_failures.py\n")
    sys.exit(2)

sys.exit(script("scripts/inject_enforcement_failures.py", "enforcement_suite.suite:SUITE"))
