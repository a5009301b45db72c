"""FI-004: its data, and what drives it."""
