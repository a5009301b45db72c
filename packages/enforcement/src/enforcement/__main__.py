"""``python -m enforcement``."""

from enforcement.cli import main

main()
