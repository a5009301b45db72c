"""Makes the corpus importable: it is no test, and tests here are no packages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
