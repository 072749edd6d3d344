"""Requests of the Gemini dialect, both ways: what the registry calls."""

from __future__ import annotations

from router.wire.gemini.check import check_request
from router.wire.gemini.decode_request import decode_request
from router.wire.gemini.encode_request import encode_request

__all__ = ["check_request", "decode_request", "encode_request"]
