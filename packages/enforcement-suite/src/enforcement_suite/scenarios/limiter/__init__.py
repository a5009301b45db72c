"""FI-005: its data, and what drives it."""
