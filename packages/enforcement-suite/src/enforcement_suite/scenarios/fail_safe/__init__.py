"""FI-001: its data, and what drives it."""
