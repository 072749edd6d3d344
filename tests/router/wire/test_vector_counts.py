"""How many vectors of the wire pass here: the numbers of the acceptance list, printed with every run."""

from __future__ import annotations

import sys

import pytest

from router.wire.errors import ErrorShape
from tests.router.wire import test_errors, test_reply_vectors, test_sse, test_stream_vectors

EXPECTED = {
    "sse": 11,
    "errors (kinds x shapes)": 22 * 3,
    "replies/openai_to_anthropic": 6,
    "replies/anthropic_to_openai": 2,
    "streams/openai_to_anthropic": 20,
    "streams/anthropic_to_openai": 9,
}


def test_counts_are_those_of_the_acceptance_list(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"sse": len(test_sse.CASES), "errors (kinds x shapes)": len(test_errors.CASES) * len(ErrorShape)}
    for folder, _ in test_reply_vectors.NAMES:
        counts[f"replies/{folder}"] = counts.get(f"replies/{folder}", 0) + 1
    for folder, _ in test_stream_vectors.PASSING:
        counts[f"streams/{folder}"] = counts.get(f"streams/{folder}", 0) + 1

    with capsys.disabled():
        sys.stdout.write("\nwire vectors driven: " + ", ".join(f"{n} {name}" for name, n in counts.items()) + "\n")

    assert counts == EXPECTED
