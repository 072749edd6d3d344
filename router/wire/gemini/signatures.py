"""The thought signatures of calls: what the vendor wants back with a call in later turns, byte for byte (R-73).

Gemini 3 refuses the first call of a turn that comes without one. For calls that another model made the vendor has a word
that takes its place; gemini-cli sends it as well (tests/fixtures/captures)."""

from __future__ import annotations

STAND_IN = "skip_thought_signature_validator"


def of_its_vendor(signature: str | None) -> str:
    """Return a signature that Gemini made, "" for none and for the word that stands in for one."""
    return "" if signature is None or signature == STAND_IN else signature
