"""FI-002: its data, and what drives it."""
