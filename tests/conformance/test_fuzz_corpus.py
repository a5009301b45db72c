"""What fuzzing starts from and has found, replayed."""

from pathlib import Path

import msgspec
import pytest
from fuzz.seeds import seeds
from fuzz.target import judge_anything

from stressproof.evidence.stress import StressArtifact

pytestmark = pytest.mark.gate

CORPUS = sorted((Path(__file__).parent / "fuzz" / "corpus").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_every_input_of_the_corpus_gets_a_sound_verdict(path: Path) -> None:
    """No input raises, and each ends with a documented exit code in every form of output."""
    judge_anything(path.read_bytes())


def test_there_is_a_corpus() -> None:
    """An empty folder would replay nothing."""
    assert len(CORPUS) >= 10


@pytest.mark.parametrize("name", seeds())
def test_fuzzing_starts_from_what_the_rules_judge(name: str) -> None:
    """A seed of an older shape would end at the types, and no rule would ever be reached."""
    content = seeds()[name]
    msgspec.json.decode(content, type=StressArtifact)
    [path] = [path for path in CORPUS if path.name == name]
    assert path.read_bytes() == content, "run python tests/conformance/fuzz/seeds.py"
