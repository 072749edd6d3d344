"""The vectors that later issues make pass: strict, so that the day they do is seen."""

from __future__ import annotations

import pytest

from router.domain.request import DialectName
from tests import marks, vectors
from tests.marks import comes_later

STREAMS = [
    f"{folder}/{name}"
    for folder in ("openai_to_responses", "openai_to_gemini", "ollama_to_anthropic")
    for name in vectors.names(f"streams/{folder}", suffix=".sse")
]


@pytest.mark.parametrize("vector", STREAMS)
@comes_later(marks.CLIENTS, ValueError)
def test_stream_of_a_dialect_that_is_not_built(vector: str) -> None:
    names = {"openai": "openai_chat", "responses": "openai_responses"}

    for word in vector.partition("/")[0].split("_to_"):
        DialectName(names.get(word, word))


@pytest.mark.parametrize("dialect", ["openai_responses", "gemini"])
@comes_later(marks.CLIENTS, ValueError)
def test_error_frame_of_a_dialect_that_is_not_built(dialect: str) -> None:
    DialectName(dialect)
