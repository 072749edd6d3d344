"""The `generationConfig` of a Gemini body in neutral words (wire.md 11). The body has been checked and camel-cased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, frozen

from router.domain.request import Note, OutputSchema, ThinkingMode
from router.wire.effort import effort_of_budget
from router.wire.gemini.schemas import json_schema
from router.wire.shape import as_integer, as_number

CONFIG = "generationConfig"
_THINKING = f"{CONFIG}.thinkingConfig"
_JSON = "application/json"
_PLAIN_TYPES = ("text/plain", _JSON)
_KNOWN = frozenset(
    {"temperature", "topP", "maxOutputTokens", "stopSequences", "candidateCount", "thinkingConfig"}
    | {"responseMimeType", "responseSchema", "responseJsonSchema"}
)
_THINKING_KEYS = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})
_LEVELS = ("minimal", "low", "medium", "high")


@frozen(kw_only=True)
class Reasoning:
    """What a client asks of the model's thinking."""

    mode: ThinkingMode | None = None
    budget: int | None = None
    effort: str | None = None


@define
class ConfigDecoder:
    """Reads one `generationConfig`; notes go to `notes`."""

    config: Mapping[str, Any]
    notes: list[Note]

    def number(self, key: str) -> float | int | None:
        """Return a checked number, None if it is absent; one that was sent as text leaves a note."""
        self._note_text(self.config, key, CONFIG)
        return as_number(self.config.get(key))

    def integer(self, key: str) -> int | None:
        """Return a checked integer, None if it is absent; one that was sent as text leaves a note."""
        self._note_text(self.config, key, CONFIG)
        return as_integer(self.config.get(key))

    def stops(self) -> tuple[str, ...]:
        """Return the stop sequences."""
        return tuple(self.config.get("stopSequences") or ())

    def output_schema(self) -> OutputSchema | None:
        """Return the schema that the answer must match, in either of the API's two forms."""
        if (schema := self.config.get("responseJsonSchema")) is not None:
            return OutputSchema(schema=schema)
        if (schema := self.config.get("responseSchema")) is not None:
            return OutputSchema(schema=json_schema(schema))
        return None

    def reasoning(self) -> Reasoning:
        """Return what is asked of the thinking: a budget or a level, and whether the client reads it.

        A budget below zero lets the model choose, as none does. One whose thinking nobody reads is an effort."""
        thinking = self.config.get("thinkingConfig") or {}
        self.notes += [
            Note(path=f"{_THINKING}.{key}") for key in thinking if key not in _THINKING_KEYS and thinking[key] is not None
        ]
        self._note_text(thinking, "thinkingBudget", _THINKING)
        budget, level = as_integer(thinking.get("thinkingBudget")), (thinking.get("thinkingLevel") or "").lower()
        effort = level if level in _LEVELS else None
        if budget == 0:
            return Reasoning(mode=ThinkingMode.DISABLED)
        budget = None if budget is None or budget < 0 else budget
        if thinking.get("includeThoughts") is True:
            return Reasoning(mode=ThinkingMode.ENABLED, budget=budget, effort=effort)
        if budget is not None:
            effort = effort or effort_of_budget(budget)
        return Reasoning(budget=budget, effort=effort)

    def extras(self) -> dict[str, Any]:
        """Return the members that have no neutral word, by their path in the body."""
        extras = {f"{CONFIG}.{key}": value for key, value in self.config.items() if key not in _KNOWN and value is not None}
        media_type = self.config.get("responseMimeType")
        is_said = self.output_schema() is not None or media_type in (None, "", "text/plain")
        if not is_said or media_type not in (None, "", *_PLAIN_TYPES):
            extras[f"{CONFIG}.responseMimeType"] = media_type
        return extras

    def _note_text(self, holder: Mapping[str, Any], key: str, path: str) -> None:
        if isinstance(holder.get(key), str):
            self.notes.append(Note(path=f"{path}.{key}", reason="number sent as text"))
