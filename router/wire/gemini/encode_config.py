"""The `generationConfig` of a Gemini upstream's body (wire.md 11.1).

How much a model may think is told in tokens, as the series 2.5 takes it, or by a level to a provider that lists
`reasoning_effort`, as later ones do. Numbers: ai.google.dev/gemini-api/docs/thinking."""

from __future__ import annotations

import re
from typing import Any

from attrs import define

from router.domain.request import DialectName, NeutralRequest, Note, ThinkingMode
from router.wire.dialect import UpstreamTarget
from router.wire.effort import NO_THINKING, budget_of_effort, effort_of_budget, pick_effort
from router.wire.extras import client_path
from router.wire.reasoning import is_shown

_MAX_STOPS = 5  # the API refuses more
_MAX_BUDGET, _MAX_PRO_BUDGET = 24_576, 32_768  # the API refuses more
_MIN_PRO_BUDGET = 128  # models called Pro always think: they refuse 0
_PRO = re.compile(r"\bpro\b")
_NO_THINKER = re.compile(r"\b(?:1\.[05]|2\.0)\b|\bgemma")  # refuse a `thinkingConfig`
_READERS = (ThinkingMode.ENABLED, ThinkingMode.ADAPTIVE)


@define(kw_only=True)
class ConfigEncoder:
    """Writes the settings of one request for one provider; notes go to `notes`."""

    request: NeutralRequest
    target: UpstreamTarget
    notes: list[Note]

    def config(self) -> dict[str, Any]:
        """Return the settings, without those that nobody set."""
        request = self.request
        config: dict[str, Any] = {
            "temperature": request.temperature,
            "topP": request.top_p,
            "maxOutputTokens": self._max_tokens(),
            "stopSequences": self._stops() or None,
            "thinkingConfig": self._thinking() or None,
        }
        if (schema := request.output_schema) is not None:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": schema.schema}
            lost = {"name": schema.name, "strict": schema.strict}
            self.notes += [Note(path=f"response_format.json_schema.{key}") for key in lost if lost[key] is not None]
        return {key: value for key, value in config.items() if value is not None}

    def _max_tokens(self) -> int | None:
        wanted, limit = self.request.max_tokens, self.target.max_output_tokens
        if wanted is None and self.request.dialect is DialectName.ANTHROPIC:  # which asks its clients for a limit
            wanted = self.target.default_max_tokens
            self.notes.append(Note(path="max_tokens", reason=f"absent, {wanted} sent"))
        if wanted is None or limit is None or wanted <= limit:
            return wanted
        self.notes.append(Note(path=client_path(self.request, "max_tokens"), reason=f"cut {wanted} -> {limit}"))
        return limit

    def _stops(self) -> list[str]:
        stops = [stop for stop in self.request.stop if stop]
        if len(stops) > _MAX_STOPS:
            path = client_path(self.request, "stop")
            self.notes.append(Note(path=path, reason=f"cut from {len(stops)} to {_MAX_STOPS}"))
        return stops[:_MAX_STOPS]

    def _thinking(self) -> dict[str, Any]:
        request = self.request
        if request.thinking is None and request.reasoning_effort is None and request.thinking_budget is None:
            return {}
        is_off = request.thinking is ThinkingMode.DISABLED or (
            request.thinking is None and request.reasoning_effort in NO_THINKING and request.thinking_budget is None
        )
        if request.dialect is DialectName.GEMINI:
            return self._as_asked()
        if _NO_THINKER.search(self.target.model.lower()):
            self._note_lost(is_off=is_off)
            return {}
        asked = self._level(is_off=is_off) if self.target.reasoning_effort else self._budget(is_off=is_off)
        if not is_off and (request.thinking in _READERS or is_shown(self.target.reasoning)):
            return {"includeThoughts": True, **asked}
        return asked

    def _as_asked(self) -> dict[str, Any]:
        """Return what a client of this dialect has said itself, whatever the model."""
        request = self.request
        asked: dict[str, Any] = {"includeThoughts": True} if request.thinking is ThinkingMode.ENABLED else {}
        if request.thinking is ThinkingMode.DISABLED:
            asked["thinkingBudget"] = 0
        elif request.thinking_budget is not None:
            asked["thinkingBudget"] = request.thinking_budget
        elif request.reasoning_effort is not None:
            asked["thinkingLevel"] = request.reasoning_effort
        return asked

    def _level(self, *, is_off: bool) -> dict[str, Any]:
        wanted = "none" if is_off else self.request.reasoning_effort
        if wanted is None and (budget := self.request.thinking_budget) is not None:
            wanted = effort_of_budget(budget)
        if wanted is None:
            return {}
        level = pick_effort(wanted, levels=self.target.reasoning_effort)
        if level is None:
            self._note_lost(is_off=is_off)
        return {} if level in (None, "none") else {"thinkingLevel": level}

    def _budget(self, *, is_off: bool) -> dict[str, Any]:
        request, is_pro = self.request, _PRO.search(self.target.model.lower()) is not None
        if is_off:
            return {"thinkingBudget": _MIN_PRO_BUDGET if is_pro else 0}
        budget = request.thinking_budget
        if budget is None and request.reasoning_effort is not None:
            budget = budget_of_effort(request.reasoning_effort)
        if budget is None:
            return {}
        limit = _MAX_PRO_BUDGET if is_pro else _MAX_BUDGET
        if budget > limit:
            self.notes.append(Note(path=client_path(request, "thinking"), reason=f"budget cut {budget} -> {limit}"))
            budget = limit
        return {"thinkingBudget": budget}

    def _note_lost(self, *, is_off: bool) -> None:
        if not is_off:
            name = "thinking" if self.request.reasoning_effort is None else "reasoning_effort"
            self.notes.append(Note(path=client_path(self.request, name), kind="thinking"))
