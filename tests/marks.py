"""Marks that several tests share, each with its reason: what is skipped here runs in CI, what is expected to fail is strict."""

from __future__ import annotations

import sys

import pytest

# The guardian and the sweeps find the descendants of a job in /proc and adopt them by prctl; only Linux has both. Elsewhere
# these tests would fail for the lack of the system call, which says nothing about the code.
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: /proc, a subreaper, abstract sockets")
