"""The routes that ask a model, in the one spelling that rules are written in."""

from __future__ import annotations

GEMINI_ROUTE = "/v1beta/models"
MODEL_ROUTES = ("/v1/messages", "/v1/chat/completions", "/v1/responses", GEMINI_ROUTE, "/api/chat")


def usual_path(path: str) -> str:
    """Return a route in one spelling: `/chat/completions` and `/v1/v1/...` are aliases (wire.md 1.2).

    Gemini's name the model and end in a verb; all of them are one route."""
    if path.startswith(GEMINI_ROUTE) or (path.startswith("/v1/models/") and path.endswith("Content")):
        return GEMINI_ROUTE
    if path.startswith("/api/"):
        return path.rstrip("/")
    return "/v1/" + path.strip("/").removeprefix("v1/").removeprefix("v1/")
