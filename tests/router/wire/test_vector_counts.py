"""How many vectors of the wire pass here: the numbers of the acceptance list, printed with every run."""

from __future__ import annotations

import sys

import pytest

from tests.replay import test_stage_vectors, test_streams_and_replies
from tests.router.guards import test_filters, test_tool_repair
from tests.router.wire import test_errors, test_reply_vectors, test_sse, test_stream_vectors

SHAPES = ("anthropic", "openai", "gemini")
EXPECTED = {
    "sse": 11,
    "errors (kinds x shapes)": 22 * 3,
    "replies/openai_to_anthropic": 6,
    "replies/anthropic_to_openai": 2,
    "streams/openai_to_anthropic": 20,
    "streams/anthropic_to_openai": 9,
    "streams/openai_to_responses": 6,
    "streams/openai_to_gemini": 1,
    "streams/ollama_to_anthropic": 1,
    "streams with a guard (16, 22, 23)": 3,
    "tool_repair/repair": 34,
    "tool_repair/leave": 20,
    "tool_repair/streaming": 3,
    "filters": 21,
}


def test_counts_are_those_of_the_acceptance_list(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"sse": len(test_sse.CASES), "errors (kinds x shapes)": len(test_errors.CASES) * len(SHAPES)}
    for folder, _ in test_reply_vectors.NAMES:
        counts[f"replies/{folder}"] = counts.get(f"replies/{folder}", 0) + 1
    for folder, _ in test_stream_vectors.NAMES:
        counts[f"streams/{folder}"] = counts.get(f"streams/{folder}", 0) + 1
    counts |= with_a_guard()

    with capsys.disabled():
        sys.stdout.write("\nwire vectors driven: " + ", ".join(f"{n} {name}" for name, n in counts.items()) + "\n")

    assert counts == EXPECTED


def with_a_guard() -> dict[str, int]:
    """Return the numbers of those for what stands between decoder and encoder."""
    replayed = {name for _, name in (case.values for case in test_streams_and_replies.every("streams", ".sse"))}
    assert len(test_tool_repair.CASES) == len(test_stage_vectors.CALLS)
    assert len(test_filters.CASES) == len(test_stage_vectors.FILTERED)
    return {
        "streams with a guard (16, 22, 23)": len(test_stream_vectors.WITH_A_GUARD & replayed),
        "tool_repair/repair": len(test_tool_repair.REPAIR["cases"]),
        "tool_repair/leave": len(test_tool_repair.LEAVE["cases"]),
        "tool_repair/streaming": len(test_tool_repair.STREAMING),
        "filters": len(test_filters.CASES),
    }
