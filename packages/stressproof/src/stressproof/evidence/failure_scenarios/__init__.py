"""FI-001 to FI-005, a module each: what is injected, and what must hold then, as values."""
