"""Tool-call repair: calls that a model wrote as text become calls, streamed or not (wire.md 14).

A wrong repair runs something, so precision goes before recall. One scanner reads a whole text and a stream alike; what
it says does not depend on where the stream was cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import assert_never

from attrs import evolve

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    UsageSeen,
)
from router.guards.repair_native import NativeCalls
from router.guards.repair_reading import HeldTooMuch, Reading, Steps
from router.guards.repair_rules import RepairRules
from router.guards.repair_scan import Scanner
from router.guards.repair_skim import SUSPICIOUS
from router.guards.repair_tools import RepairedCall

MAX_TEXT = 262_144  # characters of one answer (wire.md 14.2)

_BY_CALLS = frozenset({StopReason.END, StopReason.UNKNOWN})  # what a client must not see when there are calls to run
# the model ended by itself: what is open at the end of its text may be closed for it
_OWN_END = frozenset({StopReason.END, StopReason.UNKNOWN, StopReason.TOOL_USE, StopReason.STOP_SEQUENCE})


class ToolRepair:
    """A stage (guards/stages.py) for one answer. Read `forms` and `gave_up` at its end."""

    def __init__(self, rules: RepairRules) -> None:
        self.forms: Counter[str] = Counter()  # calls made, by form
        self.gave_up = False  # over a limit: the rest of this answer passed as it came
        self._run: _Run | None = _Run(rules)  # None once repair is over for this answer
        self._length = 0
        self._calls = NativeCalls()

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        """Return what goes on for one event."""
        match event:
            case TextDelta():
                return self._text(event)
            case ToolStarted():
                return (*self._let_go(), *self._calls.feed(event))
            case ToolDelta() | ToolDone():
                return self._calls.feed(event)
            case Stopped():
                return self._stopped(event)
            case Started() | ThinkingDelta() | ThinkingSigned() | ThinkingRedacted() | UsageSeen():
                return (event,)
            case _:
                assert_never(event)

    def release(self) -> Sequence[NeutralEvent]:
        """Return what is held, as it came; nothing more is repaired."""
        return (*self._let_go(), *self._calls.release())

    def _let_go(self) -> Sequence[NeutralEvent]:
        held = self._run.held() if self._run is not None else ""
        self._run = None
        return (TextDelta(held),) if held else ()

    def _text(self, event: TextDelta) -> Sequence[NeutralEvent]:
        if self._run is None:
            return (event,)
        self._length += len(event.text)
        if self._run.passes(event.text):
            return (event,)
        if self._length > MAX_TEXT:
            self.gave_up = True
            return (*self._let_go(), event)
        return self._events(self._run.add(event.text))

    def _stopped(self, event: Stopped) -> Sequence[NeutralEvent]:
        if self._run is not None:
            events = self._events(self._run.end(is_cut=event.reason not in _OWN_END))
            self._run = None
        else:
            events = []
        if self.forms and event.reason in _BY_CALLS:
            event = evolve(event, reason=StopReason.TOOL_USE)
        return (*events, *self._calls.release(), event)

    def _events(self, pieces: Sequence[str | RepairedCall]) -> list[NeutralEvent]:
        events: list[NeutralEvent] = []
        texts: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                texts.append(piece)
                continue
            if texts:
                events.append(TextDelta("".join(texts)))
                texts = []
            slot = self._calls.made(piece.name, piece.input)
            self.forms[piece.form] += 1
            events += piece.events(slot)
        if texts:
            events.append(TextDelta("".join(texts)))
        if self._run is not None and self._run.gave_up:
            self.gave_up = True
            self._run = None
        return events


class _Run:
    """The scanner at work on one text."""

    def __init__(self, rules: RepairRules) -> None:
        self.gave_up = False
        self._reading = Reading()
        self._scanner = Scanner(reading=self._reading, rules=rules)
        self._steps: Steps[None] = self._scanner.steps()

    def passes(self, piece: str) -> bool:
        """Tell whether a piece is nothing but prose that can go on as it is; it counts as read then."""
        reading = self._reading
        if not self._scanner.is_idle or reading.blanks or reading.is_after_call:
            return False
        if piece[-1].isspace() or SUSPICIOUS.search(piece) is not None:
            return False
        reading.pass_on(piece)
        return True

    def add(self, piece: str) -> list[str | RepairedCall]:
        """Return what is decided once `piece` has been read."""
        reading = self._reading
        if self._scanner.is_idle:
            reading.text, reading.at = piece, 0
        else:
            reading.text += piece
        return self._go_on()

    def end(self, *, is_cut: bool) -> list[str | RepairedCall]:
        """Return the rest: nothing follows."""
        self._reading.is_over = True
        self._reading.is_cut = is_cut
        decided = self._go_on()
        self._reading.end()
        return decided + self._reading.drain()

    def held(self) -> str:
        """Return what is not decided."""
        return self._reading.held()

    def _go_on(self) -> list[str | RepairedCall]:
        reading = self._reading
        try:
            next(self._steps, None)
        except HeldTooMuch:
            self.gave_up = True
            reading.keep(len(reading.text))
            reading.end()
        return reading.drain()
