"""L3: a model that makes the same calls again and again, or too many of them (supervision.md 4, R-62).

Only calls since the last message of a person count. So whatever was broken off or warned about, a new message of the
user always gets through and starts afresh. Calls are the same when name and arguments are: near-duplicates pass."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import orjson
from attrs import field, frozen

from router.config.schema_profile import ProfileConfig, ToolCountAction, ToolLoopAction
from router.domain.messages import ToolUse
from router.errors import ErrorKind, GuardRejected

_PERIODS = (1, 2, 3)  # the same call again, and rounds of two and three calls


class Act(StrEnum):
    """What a verdict asks for: a log line, a hint to the model beside it, or the end of the request."""

    NOTHING = "nothing"
    WARN = "warn"
    INJECT = "inject"
    BREAK = "break"


@frozen(kw_only=True)
class LoopRules:
    """A profile's keys. `threshold` is at most `window`; `max_calls` and `max_calls_hard` of 0 are no limit."""

    window: int
    threshold: int
    action: ToolLoopAction
    max_calls: int
    max_calls_action: ToolCountAction
    max_calls_hard: int


@frozen(kw_only=True)
class Loop:
    """The same `period` calls came `repeat_count` times, up to the last one, among the last `window` calls.

    `tool_name` names all of a round, each once."""

    tool_name: str
    repeat_count: int
    threshold: int
    window: int
    period: int = 1


@frozen(kw_only=True)
class Excess:
    """More calls than allowed; `max_allowed` is the limit that was passed, the hard one where both were."""

    total_count: int
    max_allowed: int
    is_hard: bool = False


@frozen(kw_only=True)
class LoopVerdict:
    """What is done about a loop; `loop` is there with every act but NOTHING, `hint` with INJECT."""

    act: Act = Act.NOTHING
    loop: Loop | None = None
    hint: str = ""


@frozen(kw_only=True)
class CountVerdict:
    """What is done about the number of calls; `excess` is there with every act but NOTHING, `hint` with INJECT."""

    act: Act = Act.NOTHING
    excess: Excess | None = None
    hint: str = ""


@frozen(kw_only=True)
class ToolVerdict:
    """Both halves, judged apart."""

    loop: LoopVerdict = field(factory=LoopVerdict)
    count: CountVerdict = field(factory=CountVerdict)

    @property
    def hints(self) -> tuple[str, ...]:
        """What the model is told, in order."""
        return tuple(filter(None, (self.count.hint, self.loop.hint)))


def loop_rules(profile: ProfileConfig) -> LoopRules:
    """Return the rules of a profile."""
    return LoopRules(
        window=profile.tool_loop_window,
        threshold=profile.tool_loop_threshold,
        action=profile.tool_loop_action,
        max_calls=profile.max_tool_calls,
        max_calls_action=profile.max_tool_calls_action,
        max_calls_hard=profile.max_tool_calls_hard,
    )


def judge_calls(calls: Sequence[ToolUse], rules: LoopRules) -> ToolVerdict:
    """Return what is done about the calls that were made since the last message of a person, the oldest first.

    They are read from the end of the history (`recent_calls` of each dialect), so that a long session costs nothing."""
    return ToolVerdict(loop=_judge_loop(_loop_in(calls, rules), rules), count=_judge_count(len(calls), rules))


def rejection(verdict: ToolVerdict, profile: str) -> GuardRejected | None:
    """Return the error of a request that is broken off, None for one that goes on. The number of calls is told first."""
    if verdict.count.act is Act.BREAK and (excess := verdict.count.excess) is not None:
        message = (
            f"{excess.total_count} tool calls since the user's last message, {excess.max_allowed} are allowed;"
            " a new message resets the count"
        )
        details: dict[str, str | int] = {"total_count": excess.total_count, "max_allowed": excess.max_allowed, "profile": profile}
        return GuardRejected(kind=ErrorKind.TOOL_COUNT, message=message, details=details)
    if verdict.loop.act is Act.BREAK and (loop := verdict.loop.loop) is not None:
        message = f"tool loop: {_told(loop)}; a new message resets the count"
        return GuardRejected(kind=ErrorKind.TOOL_LOOP, message=message, details={"profile": profile, **_facts(loop)})
    return None


def _judge_loop(loop: Loop | None, rules: LoopRules) -> LoopVerdict:
    if loop is None:
        return LoopVerdict()
    act = Act(rules.action)
    hint = f"Notice: {_told(loop)}. Repeating it will bring nothing new: do something else, or answer with what you have."
    return LoopVerdict(act=act, loop=loop, hint=hint if act is Act.INJECT else "")


def _judge_count(total: int, rules: LoopRules) -> CountVerdict:
    if 0 < rules.max_calls_hard < total:
        return CountVerdict(act=Act.BREAK, excess=Excess(total_count=total, max_allowed=rules.max_calls_hard, is_hard=True))
    if not 0 < rules.max_calls < total:
        return CountVerdict()
    act = Act(rules.max_calls_action)
    hint = (
        f"Notice: {total} tool calls were made since the user's last message. Stop now: answer with what you have,"
        " or ask the user how to continue."
    )
    excess = Excess(total_count=total, max_allowed=rules.max_calls)
    return CountVerdict(act=act, excess=excess, hint=hint if act is Act.INJECT else "")


def _loop_in(calls: Sequence[ToolUse], rules: LoopRules) -> Loop | None:
    for period in _PERIODS:
        # a round of two or three needs a wider window to come round as often
        window = rules.window if period == 1 else max(rules.window, period * rules.threshold)
        tail = calls[-window:]
        repeats = _repeats(tail, period)
        if repeats >= rules.threshold:
            names = ", ".join(dict.fromkeys(call.name for call in tail[-period:]))
            return Loop(tool_name=names, repeat_count=repeats, threshold=rules.threshold, window=window, period=period)
    return None


def _repeats(calls: Sequence[ToolUse], period: int) -> int:
    """Return how often the last `period` calls came in a row, up to the end."""
    matched = 0
    while matched + period < len(calls) and _is_same(calls[-1 - matched], calls[-1 - matched - period]):
        matched += 1
    return (matched + period) // period if len(calls) >= period else 0


def _is_same(one: ToolUse, other: ToolUse) -> bool:
    # equal values are nearly always told apart without being written; writing tells 1 from 1.0 and from true
    return one.name == other.name and one.input == other.input and _canonical(one) == _canonical(other)


def _canonical(call: ToolUse) -> bytes:
    return orjson.dumps(call.input, default=str, option=orjson.OPT_SORT_KEYS)


def _facts(loop: Loop) -> dict[str, str | int]:
    return {
        "tool_name": loop.tool_name,
        "repeat_count": loop.repeat_count,
        "threshold": loop.threshold,
        "window": loop.window,
    }


def _told(loop: Loop) -> str:
    """Return the loop in words, without any arguments: they are the user's."""
    if loop.period == 1:
        return f"{loop.tool_name} was called {loop.repeat_count} times in a row with the same arguments"
    return f"the same {loop.period} calls of {loop.tool_name} were repeated {loop.repeat_count} times with the same arguments"
