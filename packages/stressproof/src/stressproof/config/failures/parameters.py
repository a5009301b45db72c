"""Parameters of faults and checks, as a file writes them and as a spec holds them."""

from decimal import Decimal
from typing import Any

from stressproof.config.amounts import rate_per_s, share_ppm, size_bytes, time_us
from stressproof.errors import UsageError
from stressproof.evidence.failure import Parameter
from stressproof.failures.parameters import ParameterSpec
from stressproof.workload.rates import duration_text

_SCALES = {"factor": 1_000_000, "percentile": 10_000}
"""How many of a spec's whole numbers a plain number of a file means."""

_LONGEST_US = 24 * 3600 * 1_000_000


def parameter(spec: ParameterSpec, value: Any) -> Parameter:
    """Return a parameter of a fault or check as a spec holds it.

    Args:
        spec: What it may be.
        value: As the file has it, of the type that `kind_tables` gives it.

    Raises:
        UsageError: It cannot be meant, or is out of bounds.
    """
    if spec.type == "duration":
        return time_us(value, spec.least, min(spec.most, _LONGEST_US))
    if spec.type == "rate":
        return rate_per_s(value, spec.least, spec.most)
    if spec.type == "share":
        return share_ppm(value, spec.least, spec.most)
    if spec.type == "byte_rate":
        return size_bytes(value.removesuffix("/s"), spec.least, spec.most)
    if spec.type in _SCALES:
        return _scaled(value, _SCALES[spec.type], spec.least, spec.most)
    if spec.type == "patterns" and isinstance(value, str):
        value = (value,)
    problem = spec.problem(value)
    if problem is not None:
        raise UsageError(f"{spec.name} is {value!r}, {problem}")
    found: Parameter = value
    return found


def _scaled(value: float, scale: int, least: int, most: int) -> int:
    """Return a plain number of a file as the whole number of millionths that it means.

    Raises:
        UsageError: It is out of bounds, or no number.
    """
    # Written so that nan is out of bounds.
    found = round(value * scale) if least <= value * scale <= most else None
    if found is None:
        bounds = f"{Decimal(least) / scale:f} to {Decimal(most) / scale:f}"
        raise UsageError(f"{value:g} is out of bounds", hint=f"Write {bounds}.")
    return found


def written(spec: ParameterSpec, value: Any) -> Any:
    """Return a parameter's value as a file writes it."""
    if spec.type == "duration":
        return duration_text(value)
    if spec.type == "share":
        return f"{value / 10_000:g}%"
    if spec.type in _SCALES:
        return value / _SCALES[spec.type]
    if spec.type == "rate":
        return f"{value}/s"
    return f"{value}B/s" if spec.type == "byte_rate" else value
