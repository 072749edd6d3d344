"""Marks that several tests share, each with its reason: what is skipped here runs in CI, what is expected to fail is strict."""

from __future__ import annotations

import sys

import pytest

# The guardian and the sweeps find the descendants of a job in /proc and adopt them by prctl; only Linux has both. Elsewhere
# these tests would fail for the lack of the system call, which says nothing about the code.
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: /proc, a subreaper, abstract sockets")

# Vectors of what is promised for later: they fail as long as it is not built, and strictness makes the change that builds it
# take the mark away. A folder of vectors that nobody drives would look like one that passes.
CLIENTS = "Responses, Gemini and Ollama come with the issue of every client"


def comes_later(what: str, raises: type[Exception] | None = None) -> pytest.MarkDecorator:
    """Expect the failure that not having `what` leads to: with that exception only, where one is named."""
    # strict: the change that builds it has to take this mark away; the reason is the caller's, and printed with the result
    return pytest.mark.xfail(strict=True, raises=raises, reason=what)
