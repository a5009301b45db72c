"""Coverage-guided fuzzing of the verifiers (the development extra ``fuzz``).

    uv run --isolated --python ">=3.12" --extra fuzz \
        python tests/conformance/fuzz/fuzz_verify.py -max_total_time=600 \
        tests/conformance/fuzz/corpus

Half of all mutations change one value in a JSON document that parses, so that the rules are reached
and not only the parser. What it finds belongs into the corpus, which CI replays.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["stressproof"]):
    from fuzz.target import judge_anything

_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    10,
    2**31,
    2**53,
    2**63,
    0.0,
    1e-9,
    1e12,
    1e308,
    "",
    "pass",
    "2026-02-25T11:00:00+00:00",
    "#/scenarios/0",
    "\u202e\x00",
    [],
    {},
    [1, 2],
]


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        found.append((value, key))
        if isinstance(item, dict | list) and item and len(found) < 5000:
            _places(item, found)
    return found


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change one value of a JSON document, or some bytes."""
    dice = random.Random(seed)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not document or dice.random() < 0.5:
        mutated: bytes = atheris.Mutate(data, max_size)
        return mutated
    holder, key = dice.choice(_places(document, []))
    action = dice.randrange(4)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, list):
        holder.append(holder[key])
    elif action == 2 and isinstance(holder[key], int | float):
        holder[key] = holder[key] * dice.choice([2, 10, -1, 0.5]) + dice.choice([0, 1, -1])
    else:
        holder[key] = dice.choice(_VALUES)
    return json.dumps(document).encode()[:max_size]


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge_anything, custom_mutator=mutate)
    atheris.Fuzz()
