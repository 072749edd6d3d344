"""Every stream vector of the dialects that are built, in every cut, through the grammar monitor of its client."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import vectors
from tests.router.wire.drive import (
    ANTHROPIC,
    CHAT,
    GEMINI,
    OLLAMA,
    RESPONSES,
    Driven,
    asked_of,
    assert_grammatical,
    client_events,
    drive,
    options_of,
)

FOLDERS = {
    "openai_to_anthropic": (CHAT, ANTHROPIC),
    "anthropic_to_openai": (ANTHROPIC, CHAT),
    "openai_to_responses": (CHAT, RESPONSES),
    "openai_to_gemini": (CHAT, GEMINI),
    "ollama_to_anthropic": (OLLAMA, ANTHROPIC),
}
# what stands between decoder and encoder makes these: tests/replay has them, in the same cuts
WITH_A_GUARD = {"16_truncated_surface", "22_think_tags_filter", "23_repair_at_end"}
NAMES = [
    (folder, name) for folder in FOLDERS for name in vectors.names(f"streams/{folder}", suffix=".sse") if name not in WITH_A_GUARD
]

every_vector = pytest.mark.parametrize(("folder", "name"), NAMES, ids=[f"{folder}/{name}" for folder, name in NAMES])


def body_of(folder: str, name: str) -> bytes:
    return (vectors.WIRE / "streams" / folder / f"{name}.sse").read_bytes()


def case_of(folder: str, name: str) -> dict[str, Any]:
    case: dict[str, Any] = vectors.load(f"streams/{folder}/{name}.expected.json")
    asked = asked_of(case["options"])
    for event in case["expected"]:
        if asked and "response" in event:  # which repeats what was asked; the vectors were written without
            event["response"] |= asked
    return case


def run(folder: str, name: str, chunks: list[bytes]) -> Driven:
    source, target = FOLDERS[folder]
    return drive(chunks, source, target, options_of(case_of(folder, name)))


@every_vector
def test_vector_in_one_chunk_gives_its_events_and_outcome(folder: str, name: str) -> None:
    case = case_of(folder, name)

    driven = run(folder, name, [body_of(folder, name)])

    assert driven.outcome == case["outcome"]
    vectors.assert_matches(case["expected"], client_events(driven.out))


@every_vector
def test_client_stream_is_grammatical_unless_nothing_was_sent(folder: str, name: str) -> None:
    driven = run(folder, name, [body_of(folder, name)])

    if driven.outcome == "failed_before_commit":
        assert driven.out == b""
    else:
        assert_grammatical(driven.out, FOLDERS[folder][1])


@every_vector
def test_line_ends_and_single_bytes_change_nothing(folder: str, name: str) -> None:
    body = body_of(folder, name)
    lines = body.replace(b"\r\n", b"\n")
    whole = run(folder, name, [body])

    for spelled in (body, lines, lines.replace(b"\n", b"\r\n"), lines.replace(b"\n", b"\r")):
        assert run(folder, name, [spelled[at : at + 1] for at in range(len(spelled))]) == whole


@pytest.mark.slow
@every_vector
def test_every_cut_in_two_changes_nothing(folder: str, name: str) -> None:
    body = body_of(folder, name)
    whole = run(folder, name, [body])

    assert all(run(folder, name, [body[:at], body[at:]]) == whole for at in range(len(body)))


@every_vector
@given(data=st.data())
def test_any_cut_changes_nothing(folder: str, name: str, data: st.DataObject) -> None:
    body = body_of(folder, name)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    chunks = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    assert run(folder, name, chunks) == run(folder, name, [body])
