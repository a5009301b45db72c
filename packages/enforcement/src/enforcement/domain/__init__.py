"""Policy, waterfall, decisions as pure functions and values; no I/O, no clock."""
