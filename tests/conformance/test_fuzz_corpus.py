"""What fuzzing starts from and has found, replayed."""

from pathlib import Path

import pytest
from fuzz.target import judge_anything

pytestmark = pytest.mark.gate

CORPUS = sorted((Path(__file__).parent / "fuzz" / "corpus").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_every_input_of_the_corpus_gets_a_sound_verdict(path: Path) -> None:
    """No input raises, and each ends with a documented exit code in every form of output."""
    judge_anything(path.read_bytes())


def test_there_is_a_corpus() -> None:
    """An empty folder would replay nothing."""
    assert len(CORPUS) >= 10
