"""Output filters: what a model's text should not have said is taken out between decoder and encoder (wire.md 15, routing.md 16).

Two stages, so that tool repair between them still sees every call: byte_fallback and thinking stand before it, markers and
the XML of tool calls behind it. The order is fixed; the configured names only select.

A run of text ends with a tool call, reasoning or the end of the answer; each is filtered afresh. A text that a filter
leaves blank is not sent where no other text of its run follows, as the decoders do it (wire.md 8.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import assert_never

from attrs import define, field, frozen

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ToolStarted,
    UsageSeen,
)
from router.guards.text_filters import ByteFallback, Markers, Part, TagScan, TextFilter
from router.wire.reasoning import router_signature

BYTE_FALLBACK = "repair_byte_fallback"
THINKING = "strip_thinking"
THINKING_PREFILLED = "strip_thinking_prefilled"
MARKERS = "strip_stop_markers"
TOOL_XML = "strip_tool_call_xml"

STOP_MARKERS = (
    "<|turn|>",
    "<|end|>",
    "<|python_tag|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|channel>thought",
    "<|tool\u2581call|>",
    "<|tool\u2581sep|>",
    "<|endoftext|>",
    "<|im_start|>assistant",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<end_of_turn>",
    "[/INST]",
    "<|eom_id|>",
)
_NEWLINES = "\r\n"


@frozen(kw_only=True)
class FilterRules:
    """What one provider's answers are filtered by.

    `names` as in its `output_filters`, `extra_markers` beside those of strip_stop_markers. With `thinking_to_events`
    (reasoning = convert, and a client that reads it) a leading thinking block becomes reasoning, signed for `provider`."""

    names: tuple[str, ...]
    extra_markers: tuple[str, ...] = ()
    thinking_to_events: bool = False
    provider: str = ""


@define
class _TextStage:
    """A text filter, then a pair of tags whose blocks are taken out; either may be absent. One answer's.

    A block that is never closed is given back as text before the end, where the answer said nothing else."""

    _filter: TextFilter | None
    _filter_name: str
    _scan: TagScan | None
    _scan_name: str
    _starts: str  # what everything that is looked for begins with
    _signs_for: str | None = None  # the provider whose leading blocks become reasoning, None to drop them
    _is_special: re.Pattern[str] = field(init=False)
    _has_spoken: bool = False  # text or a call went out
    _is_open: bool = field(init=False)  # a run of text began
    _is_said: bool = False  # the run has text that is not blank
    _is_passing: bool = False  # nothing is held, no block is open: text without anything special passes
    _swallows: bool = False  # newlines behind a block that stood in front of the run's text
    _blanks: list[str] = field(factory=list)  # of the run, as long as it has no other text
    _inside: list[str] = field(factory=list)  # what the open block holds, as long as nothing else was said
    _unsaid: list[str] = field(factory=list)  # what blocks held that were never closed
    _thoughts: list[NeutralEvent] = field(factory=list)  # go out before the texts: reasoning ends where text begins
    _texts: list[str] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self._is_special = re.compile(f"[{re.escape(self._starts)}]")
        self._is_open = self._scan is not None and self._scan.is_inside

    @property
    def applied(self) -> tuple[str, ...]:
        """The names of those that changed something so far, in their order."""
        both = ((self._filter, self._filter_name), (self._scan, self._scan_name))
        return tuple(name for one, name in both if one is not None and one.is_changed)

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        """Return what goes on to the next stage for one event, () to hold it."""
        match event:
            case TextDelta(text):
                if self._is_passing and self._is_special.search(text) is None:
                    return (event,)
                self._take(text)
                return self._drain()
            case Started() | UsageSeen():
                return (event,)
        self._end_run()
        if isinstance(event, ToolStarted):
            self._spoke()
        elif isinstance(event, Stopped) and not self._has_spoken:
            self._texts += self._unsaid
        return (*self._drain(), event)

    def release(self) -> Sequence[NeutralEvent]:
        """Return what is held, as it came: the stream has failed, and nothing follows. An open block stays taken out."""
        self._end_run()
        return self._drain()

    def _drain(self) -> Sequence[NeutralEvent]:
        out = self._thoughts
        if self._texts:
            out.append(TextDelta("".join(self._texts)))
            self._texts.clear()
        self._thoughts = []
        return out

    def _take(self, text: str) -> None:
        self._is_open = True
        if self._filter is not None:
            text = self._filter.feed(text)
        if text:
            self._read(text)
        is_held = (self._filter is not None and self._filter.is_holding) or (self._scan is not None and self._scan.is_busy)
        self._is_passing = self._is_said and not is_held

    def _read(self, text: str) -> None:
        if self._scan is None:
            self._say(text)
        else:
            self._take_parts(self._scan.feed(text))

    def _end_run(self) -> None:
        if not self._is_open:
            return
        if self._filter is not None and (rest := self._filter.end()):
            self._read(rest)
        if self._scan is not None:
            self._take_parts(self._scan.end())
            self._unsaid += self._inside
            self._end_block()
        self._blanks.clear()
        self._is_open = self._is_said = self._is_passing = self._swallows = False

    def _take_parts(self, parts: Iterable[tuple[Part, str]]) -> None:
        for part, text in parts:
            match part:
                case Part.OUTSIDE:
                    self._say(text)
                case Part.INSIDE:
                    self._remove(text)
                case Part.OPENED:
                    self._blanks.clear()
                case Part.CLOSED:
                    self._end_block()
                    self._swallows = not self._is_said
                case _:
                    assert_never(part)

    def _say(self, text: str) -> None:
        if self._swallows:
            text = text.lstrip(_NEWLINES)
            self._swallows = not text
        if not self._is_said:
            self._blanks.append(text)
            if not text.strip():
                return
            text = "".join(self._blanks)
            self._blanks.clear()
            self._is_said = True
            self._spoke()
        self._texts.append(text)

    def _spoke(self) -> None:
        self._has_spoken = True
        self._inside.clear()
        self._unsaid.clear()

    def _remove(self, text: str) -> None:
        if self._has_spoken:
            return  # reasoning behind text is dropped, as the decoders do it (wire.md 8.3)
        if not self._inside:
            text = text.lstrip()
        if text:
            self._inside.append(text)
            if self._signs_for is not None:
                self._thoughts.append(ThinkingDelta(text))

    def _end_block(self) -> None:
        if self._inside and self._signs_for is not None:
            self._thoughts.append(ThinkingSigned(router_signature(self._signs_for, "".join(self._inside))))
        self._inside.clear()


class EarlyFilters(_TextStage):
    """Byte fallback, then thinking: stands before tool repair."""

    def __init__(self, rules: FilterRules) -> None:
        is_prefilled = THINKING_PREFILLED in rules.names
        strips = is_prefilled or THINKING in rules.names
        super().__init__(
            filter=ByteFallback() if BYTE_FALLBACK in rules.names else None,
            filter_name=BYTE_FALLBACK,
            scan=TagScan(("think", "thinking"), is_inside=is_prefilled) if strips else None,
            scan_name=THINKING_PREFILLED if is_prefilled else THINKING,
            starts="<",
            signs_for=rules.provider if rules.thinking_to_events else None,
        )


class LateFilters(_TextStage):
    """Markers, then the XML of tool calls: stands after tool repair, which reads both."""

    def __init__(self, rules: FilterRules) -> None:
        markers = tuple(filter(None, (*STOP_MARKERS, *rules.extra_markers)))
        super().__init__(
            filter=Markers(markers) if MARKERS in rules.names else None,
            filter_name=MARKERS,
            scan=TagScan(("tool_call",)) if TOOL_XML in rules.names else None,
            scan_name=TOOL_XML,
            starts="<" + "".join(marker[0] for marker in markers),
        )


def filter_stages(rules: FilterRules) -> tuple[EarlyFilters | None, LateFilters | None]:
    """Return the two stages of one answer, None for one that nothing is selected of."""
    names = set(rules.names)
    early = EarlyFilters(rules) if names & {BYTE_FALLBACK, THINKING, THINKING_PREFILLED} else None
    return early, LateFilters(rules) if names & {MARKERS, TOOL_XML} else None
