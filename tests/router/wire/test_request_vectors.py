"""The request vectors: a client's body in, the upstream's body and the notes out (wire.md 5, 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from router.wire.anthropic import request as anthropic
from router.wire.dialect import UpstreamTarget
from router.wire.gemini import request as gemini
from router.wire.openai_chat import request as openai_chat
from router.wire.openai_responses import request as openai_responses
from tests.vectors import assert_matches, load, names

DIALECTS = {
    "anthropic": anthropic,
    "openai": openai_chat,
    "responses": openai_responses,
    "gemini": gemini,
}
OF_THE_ADDRESS = ("path", "query")
FOLDERS = {
    "anthropic_to_openai": 16,
    "openai_to_anthropic": 7,
    "responses_to_openai": 3,
    "responses_to_anthropic": 1,
    "gemini_to_openai": 1,
}


def vectors(folders: Iterable[str]) -> list[str]:
    return [f"requests/{folder}/{name}" for folder in folders for name in names(f"requests/{folder}")]


def encode(vector: dict[str, Any], path: str) -> tuple[dict[str, Any], list[str]]:
    source, target = path.split("/")[1].split("_to_")
    told = vector["options"]
    is_stream = ":streamGenerateContent" in told.get("path", "")  # the address says what others say in the body
    request = DIALECTS[source].decode_request(vector["input"] | ({"stream": True} if is_stream else {}))
    keys = {key: value for key, value in told.items() if key not in OF_THE_ADDRESS}
    encoded = DIALECTS[target].encode_request(request, UpstreamTarget(**keys))
    return encoded.body, [str(note) for note in encoded.notes]


@pytest.mark.parametrize("path", vectors(FOLDERS))
def test_the_body_for_the_upstream_is_the_expected_one(path: str) -> None:
    vector = load(f"{path}.json")

    body, _ = encode(vector, path)

    assert_matches(vector["expected"], body)


@pytest.mark.parametrize("path", vectors(FOLDERS))
def test_what_is_lost_leaves_exactly_the_expected_notes(path: str) -> None:
    vector = load(f"{path}.json")

    _, notes = encode(vector, path)

    assert sorted(notes) == sorted(vector["dropped"])


@pytest.mark.parametrize("path", vectors(FOLDERS))
def test_neither_decoding_nor_encoding_changes_the_clients_document(path: str) -> None:
    vector = load(f"{path}.json")

    encode(vector, path)

    assert vector == load(f"{path}.json")


def test_all_vectors_of_these_dialects_are_here() -> None:
    assert {folder: len(vectors([folder])) for folder in FOLDERS} == FOLDERS
