"""The tool's own limits: what a capture refuses to do, evidence cannot say that it did."""

_US_PER_S = 1_000_000

MAX_USERS = 20_000
MAX_RATE = 1_000_000
"""Arrivals a second, of one executor."""

MAX_DURATION_US = 7 * 24 * 3600 * _US_PER_S
MAX_RAMP_US = 3600 * _US_PER_S
"""A ramp may be longer than the window, but what is not measured has an end."""

MAX_PAUSE_US = 3600 * _US_PER_S
MAX_GRACEFUL_STOP_US = 3600 * _US_PER_S
MAX_TIME_UNIT_US = 2**53
"""Over which arrivals are counted."""

MIN_TIMEOUT_US = 1_000
MAX_TIMEOUT_US = 3600 * _US_PER_S

MAX_PREFLIGHT_ATTEMPTS = 100
MIN_PREFLIGHT_TIMEOUT_US = _US_PER_S // 10
MAX_PREFLIGHT_TIMEOUT_US = 600 * _US_PER_S

MAX_NAME_CHARS = 4096
MAX_WEIGHT = 10_000
MAX_REDIRECTS = 10
MAX_WORKERS = 64
MAX_WORKER_RATE = 200_000
"""Arrivals a second that a worker can at least count, if not send."""
