"""How much a capture asks, from its flags."""

from collections.abc import Mapping
from typing import Any

from stressproof.config import executor_facts
from stressproof.workload.executors import Executor
from stressproof.workload.rates import US_PER_S

_RAMP_US = 5 * US_PER_S
_FLAGS = {"stages": "--stage", "duration_us": "--duration", "ramp_us": "--ramp"}


def executor_from(options: Mapping[str, Any], *, ramp_us: int = _RAMP_US) -> Executor:
    """Return the executor that the flags describe.

    Args:
        options: As `executor_facts.executor_from` has them.
        ramp_us: Where nobody says.

    Raises:
        UsageError: A flag is missing, or means nothing to the executor.
    """
    return executor_facts.executor_from(options, _flag, ramp_us=ramp_us)


def _flag(word: str) -> str:
    return _FLAGS.get(word) or f"--{word.replace('_', '-')}"
