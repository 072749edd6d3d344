"""The routes that ask a model, in the one spelling that rules are written in."""

from __future__ import annotations

MODEL_ROUTES = ("/v1/messages", "/v1/chat/completions")


def usual_path(path: str) -> str:
    """Return a route in one spelling: `/chat/completions` and `/v1/v1/...` are aliases (wire.md 1.2)."""
    return "/v1/" + path.strip("/").removeprefix("v1/").removeprefix("v1/")
