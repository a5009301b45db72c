"""FI-003: its data, and what drives it."""
