"""L4: are a model's answers getting worse? Signals over a window of its last attempts (supervision.md 5, W22).

One window per provider. What is done about a verdict, and when a provider is judged again, is not decided here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from statistics import median

from attrs import field, frozen

from router.config.schema_profile import DRIFT_JUDGED_FROM, DriftSensitivity
from router.domain.events import StopReason
from router.domain.messages import ChoiceMode, Message, Role, Text, ToolResult
from router.domain.request import NeutralRequest
from router.guards.human_turn import is_human
from router.wire.human import without_reminders


@frozen(kw_only=True)
class Observation:
    """One finished attempt. Of a failed one only `is_error` counts.

    `output_tokens` is 0 for an answer that says nothing, whatever its server counted, and for no other.
    `tools_expected` says that a call was to be expected (see the function); `stop` is None where the upstream told none."""

    output_tokens: int = 0
    has_tool_use: bool = False
    tools_expected: bool = False
    stop: StopReason | None = None
    is_error: bool = False


Window = tuple[Observation, ...]  # the oldest first


class Severity(StrEnum):
    """How bad it is; both that are bad lead to the same action."""

    NONE = "none"
    MILD = "mild"
    SEVERE = "severe"


@frozen(kw_only=True)
class DriftVerdict:
    """`signals` are all that could be computed, to three decimals; `reason` names those beyond their bounds."""

    severity: Severity = Severity.NONE
    reason: str = ""
    signals: Mapping[str, float] = field(factory=dict)


@frozen(kw_only=True)
class Preset:
    """The bounds of one sensitivity; none of them is reached by a value equal to it."""

    min_fill: int  # attempts in the window before anything is judged
    empty_response_rate: float
    length_collapse_ratio: float  # the one that must not be fallen below
    tool_silence_rate: float
    stop_anomaly_rate: float
    error_rate: float


PRESETS: Mapping[DriftSensitivity, Preset] = {
    "low": Preset(
        min_fill=DRIFT_JUDGED_FROM["low"],
        empty_response_rate=0.5,
        length_collapse_ratio=0.3,
        tool_silence_rate=0.8,
        stop_anomaly_rate=0.6,
        error_rate=0.4,
    ),
    "normal": Preset(
        min_fill=DRIFT_JUDGED_FROM["normal"],
        empty_response_rate=0.3,
        length_collapse_ratio=0.5,
        tool_silence_rate=0.7,
        stop_anomaly_rate=0.4,
        error_rate=0.25,
    ),
    "high": Preset(
        min_fill=DRIFT_JUDGED_FROM["high"],
        empty_response_rate=0.2,
        length_collapse_ratio=0.7,
        tool_silence_rate=0.5,
        stop_anomaly_rate=0.3,
        error_rate=0.15,
    ),
}
_SEVERE = frozenset({"empty_response_rate", "length_collapse_ratio"})
_MILD_THAT_ARE_SEVERE = 2
_MIN_LENGTHS = 4
_MIN_EXPECTED = 3

# A full context is the conversation's doing and a filter the vendor's, as an end by length or a refusal are.
_EXPECTED_STOPS = frozenset(StopReason) - {StopReason.UNKNOWN}

_WORD = re.compile(r"[\w'./:-]+")
_LAST_CHARS = 2_000  # where an instruction is looked for: its cost stays bounded, and a pasted file mostly stands before it
_VERBS = frozenset({"use", "using", "call", "run", "invoke", "execute"})
_TOOLS = frozenset({"tool", "tools"})
_NOT = frozenset({"not", "don't", "dont", "never", "without", "cannot", "can't", "stop", "avoid"})
_REACH = 4  # words from a verb to the tool ("run the tests with Bash"), and from a "not" to its verb


def observe(window: Window, observation: Observation, size: int) -> Window:
    """Return the window with one more attempt, at most `size` of them; the oldest leave."""
    return (*window, observation)[-size:]


def judge(window: Window, sensitivity: DriftSensitivity) -> DriftVerdict:
    """Return what the window says; nothing before it is filled enough."""
    preset = PRESETS[sensitivity]
    if len(window) < preset.min_fill:
        return DriftVerdict()
    signals = dict(_signals(window))
    fired = [name for name, value in signals.items() if _is_beyond(name, value, preset)]
    return DriftVerdict(
        severity=_severity(fired),
        reason=", ".join(fired),
        signals={name: round(value, 3) for name, value in signals.items()},
    )


def tools_expected(request: NeutralRequest) -> bool:
    """Tell whether a call is what the turn asks for: a result was just handed in, or somebody said to use a tool.

    A turn that only has tools at hand may well end in words: its silence says nothing."""
    choice = request.tool_choice.mode if request.tool_choice is not None else ChoiceMode.AUTO
    if not request.tools or choice is ChoiceMode.NONE:
        return False
    if choice is not ChoiceMode.AUTO:
        return True
    last = next((message for message in reversed(request.messages) if message.role is not Role.SYSTEM), None)
    if last is None or last.role is not Role.USER:
        return False
    if _holds_result(last) and not is_human(last):
        return True
    return _asks_for_a_tool(last, {tool.name.lower() for tool in request.tools})


def _signals(window: Window) -> Iterator[tuple[str, float]]:
    answers = [one for one in window if not one.is_error]
    if answers:
        yield "empty_response_rate", sum(one.output_tokens == 0 for one in answers) / len(answers)
    if (ratio := _length_ratio([one.output_tokens for one in answers])) is not None:
        yield "length_collapse_ratio", ratio
    expected = [one for one in answers if one.tools_expected]
    if len(expected) >= _MIN_EXPECTED:
        yield "tool_silence_rate", sum(not one.has_tool_use for one in expected) / len(expected)
    if answers:
        yield "stop_anomaly_rate", sum(one.stop not in _EXPECTED_STOPS for one in answers) / len(answers)
    yield "error_rate", (len(window) - len(answers)) / len(window)


def _length_ratio(lengths: Sequence[int]) -> float | None:
    """Return how long the newer half of the answers is, measured by the older one; None where that cannot be said."""
    middle = len(lengths) // 2
    if len(lengths) < _MIN_LENGTHS or not (older := median(lengths[:middle])):
        return None
    return median(lengths[middle:]) / older


def _is_beyond(name: str, value: float, preset: Preset) -> bool:
    bound: float = getattr(preset, name)
    return value < bound if name == "length_collapse_ratio" else value > bound


def _severity(fired: Sequence[str]) -> Severity:
    if not fired:
        return Severity.NONE
    is_severe = len(fired) >= _MILD_THAT_ARE_SEVERE or not _SEVERE.isdisjoint(fired)
    return Severity.SEVERE if is_severe else Severity.MILD


def _holds_result(message: Message) -> bool:
    return any(isinstance(block, ToolResult) for block in message.content)


def _asks_for_a_tool(message: Message, names: set[str]) -> bool:
    """Tell whether the words say so: a verb, and close behind it a tool's name or the word itself."""
    texts = (without_reminders(block.text) for block in message.content if isinstance(block, Text))
    words = [word.strip(".:'") for word in _WORD.findall("\n".join(texts)[-_LAST_CHARS:].lower().replace("\u2019", "'"))]
    wanted = names | _TOOLS
    return any(
        word in _VERBS
        and _NOT.isdisjoint(words[max(0, at - _REACH) : at])
        and not wanted.isdisjoint(words[at + 1 : at + 1 + _REACH])
        for at, word in enumerate(words)
    )
