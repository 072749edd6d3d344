"""The client's wish for reasoning as the Messages API takes it (wire.md 6).

The API refuses a thinking budget beside a forced tool choice, beside sampling fields, and in the middle of a tool loop
that did not begin with thinking; there the budget gives way, with a note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from router.domain.messages import ChoiceMode, Role, Thinking, ToolChoice
from router.domain.request import NeutralRequest, Note, ThinkingMode
from router.wire.dialect import UpstreamTarget
from router.wire.effort import NO_THINKING, budget_of_effort, pick_effort
from router.wire.extras import client_path
from router.wire.turns import Turn

_MIN_BUDGET = 1024  # the API refuses less
_MIN_TOP_P = 0.95  # the API refuses less beside a budget
_FORCED = (ChoiceMode.REQUIRED, ChoiceMode.NAMED)


def thinking_config(request: NeutralRequest, target: UpstreamTarget, max_tokens: int) -> dict[str, Any] | None:
    """Return the `thinking` field that the request asks for, None for none."""
    match request.thinking:
        case ThinkingMode.DISABLED | ThinkingMode.ADAPTIVE:
            return {"type": request.thinking.value}
        case ThinkingMode.ENABLED:
            return {"type": "enabled", "budget_tokens": request.thinking_budget or _room(max_tokens)}
    effort = request.reasoning_effort
    if effort is None or (target.effort and effort not in NO_THINKING):
        return None
    if effort in NO_THINKING:
        return {"type": "disabled"}
    return {"type": "enabled", "budget_tokens": min(budget_of_effort(effort), _room(max_tokens))}


def effort_config(request: NeutralRequest, target: UpstreamTarget, notes: list[Note]) -> str | None:
    """Return the `output_config.effort` for a provider that takes one, None for none."""
    wanted = request.reasoning_effort
    if wanted is None or wanted in NO_THINKING or not target.effort:
        return None
    effort = pick_effort(wanted, levels=target.effort)
    if effort is None:
        notes.append(Note(path=client_path(request, "reasoning_effort"), kind="thinking"))
    return effort


def settle_thinking(body: dict[str, Any], turns: Sequence[Turn], choice: ToolChoice | None, notes: list[Note]) -> None:
    """Take a budget out of the body where the API would refuse it, else the sampling fields beside it."""
    thinking = body.get("thinking")
    if thinking is None or thinking["type"] != "enabled":
        return
    if why := _hindrance(thinking["budget_tokens"], turns, choice):
        del body["thinking"]
        notes.append(Note(path="thinking", reason=why, kind="thinking"))
        return
    if body.get("temperature", 1) != 1:
        del body["temperature"]
        notes.append(Note(path="temperature", reason="not allowed with thinking"))
    if body.get("top_p", 1) < _MIN_TOP_P:
        del body["top_p"]
        notes.append(Note(path="top_p", reason="not allowed with thinking"))


def _hindrance(budget: int, turns: Sequence[Turn], choice: ToolChoice | None) -> str | None:
    if budget < _MIN_BUDGET:
        return "max_tokens leaves no room"
    if choice is not None and choice.mode in _FORCED:
        return "not allowed with a forced tool choice"
    if turns and turns[-1].role is Role.ASSISTANT:
        return "not allowed with a prefilled answer"
    loop = turns[-2].blocks if len(turns) > 1 and turns[-1].results else []
    if loop and not isinstance(loop[0], Thinking):
        return "the open tool calls have none"
    return None


def _room(max_tokens: int) -> int:
    """Return the greatest budget: the API counts thinking into max_tokens, and a quarter is left for the answer."""
    return max_tokens * 3 // 4
