"""Responses requests: a client's body to neutral, neutral to an upstream's body."""

from __future__ import annotations

from router.wire.openai_responses.check import check_request
from router.wire.openai_responses.decode_request import decode_request
from router.wire.openai_responses.encode_request import encode_request

__all__ = ["check_request", "decode_request", "encode_request"]
