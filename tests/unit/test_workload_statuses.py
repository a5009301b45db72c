"""Statuses as a person writes them."""

import pytest

from stressproof.workload.statuses import in_words

pytestmark = pytest.mark.gate


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        (range(200, 300), "2xx"),
        ([404, *range(200, 300)], "2xx, 404"),
        (range(200, 299), ", ".join(map(str, range(200, 299)))),
        ([201, 200, 200], "200, 201"),
        ([], ""),
    ],
)
def test_a_whole_class_is_one_word(statuses: list[int], words: str) -> None:
    """Only a class that is whole."""
    assert in_words(statuses) == words
