"""``python -m stressproof``."""

from stressproof.cli.main import main

main()
