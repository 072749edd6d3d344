"""Fragments in any order become a clean neutral sequence: one thing open at a time (wire.md 8.3).

Both stream decoders feed it. Text is held while it is only blanks; calls open
in the order in which they appeared, each when its name is whole, and while one
is open, text and other calls wait. A call is closed as soon as its JSON value
is whole, so that a client can run it at once."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from enum import Enum, auto

from attrs import define, field

from router.domain.events import (
    NeutralEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
)
from router.domain.messages import ToolKind
from router.wire.json_scan import JsonScan


class _Open(Enum):
    NOTHING = auto()
    THINKING = auto()
    TEXT = auto()


@define(eq=False)
class Call:
    """One tool call on its way. The decoder fills `id` and `name` until it opens; `slot` is None until then."""

    id: str = ""
    name: str = ""
    kind: ToolKind = ToolKind.FUNCTION
    signature: str = ""
    slot: int | None = None
    has_arguments: bool = False
    is_over: bool = False  # nothing more is taken
    waiting: list[str] = field(factory=list)  # fragments that came before its turn
    scan: JsonScan = field(factory=JsonScan)


@define(eq=False)
class Sequencer:
    """One stream's; the decoder takes the events with `drain`.

    `sign` makes the signature of a reasoning that has none. `names` turns a tool name that was changed on the way up
    into the client's own (wire.md 19.2). `keeps_late_thinking` is for upstreams whose own form has reasoning between
    the other blocks; elsewhere reasoning after text or a call is dropped. `counts` tells what was dropped."""

    sign: Callable[[str], str]
    names: Mapping[str, str] = field(factory=dict)
    keeps_late_thinking: bool = False
    out: list[NeutralEvent] = field(factory=list)
    counts: Counter[str] = field(factory=Counter)
    calls: int = 0  # opened so far
    _open: _Open = _Open.NOTHING
    _has_spoken: bool = False  # text or a call was opened
    _held: list[str] = field(factory=list)  # blank text in front of the next real one
    _thought: list[str] = field(factory=list)
    _pending: deque[Call] = field(factory=deque)  # calls that are not closed; only the first can be open
    _queued_text: list[str] = field(factory=list)
    _ids: set[str] = field(factory=set)

    def drain(self) -> list[NeutralEvent]:
        """Return the events since the last call."""
        events, self.out = self.out, []
        return events

    def text(self, text: str) -> None:
        """Take a piece of text, not empty."""
        if self._open is _Open.TEXT:
            self.out.append(TextDelta(text))
        elif self._pending:
            self._queued_text.append(text)
        elif text.isspace():
            self._held.append(text)
        else:
            self._end_thinking()
            self._open = _Open.TEXT
            self._has_spoken = True
            self.out.append(TextDelta("".join((*self._held, text))))
            self._held.clear()

    def thinking(self, text: str) -> None:
        """Take a piece of reasoning, not empty."""
        if self._pending or (self._has_spoken and not self.keeps_late_thinking):
            self.counts["late_reasoning"] += 1
            return
        self._open = _Open.THINKING
        self._thought.append(text)
        self.out.append(ThinkingDelta(text))

    def signed(self, signature: str) -> None:
        """Take the vendor's signature of the reasoning just given."""
        if self._open is _Open.THINKING:
            self._open = _Open.NOTHING
            self._thought.clear()
            self.out.append(ThinkingSigned(signature))

    def redacted(self, data: str) -> None:
        """Take one whole redacted block."""
        if self._pending:
            self.counts["late_reasoning"] += 1
            return
        self._end_thinking()
        self._open = _Open.NOTHING
        self.out.append(ThinkingRedacted(data))

    def block_ended(self) -> None:
        """Take the upstream's own word that the open text or reasoning is over."""
        self._end_thinking()
        self._open = _Open.NOTHING

    def begin(
        self,
        *,
        call_id: str = "",
        name: str = "",
        signature: str = "",
        is_whole: bool = False,
        kind: ToolKind = ToolKind.FUNCTION,
    ) -> Call:
        """Take a new call; with `is_whole` id and name are final, and it opens as soon as it is its turn."""
        call = Call(id=call_id, name=name, signature=signature, kind=kind)
        self._pending.append(call)
        if is_whole and name and self._pending[0] is call:
            self._open_call(call)
        return call

    def named(self, call: Call, name: str) -> None:
        """Take a name that came behind the first arguments."""
        call.name = name
        self._advance()

    def arguments(self, call: Call, piece: str) -> None:
        """Take a fragment of a call's JSON text; what follows its value is dropped."""
        if not call.has_arguments:
            piece = piece.lstrip()
        if not piece:
            return
        if call.is_over or call.scan.is_complete:
            if not piece.isspace():
                self.counts["late_arguments"] += 1
            return
        call.has_arguments = True
        end = call.scan.feed(piece)
        call.waiting.append(piece[:end])
        self._advance()

    def end(self, call: Call) -> None:
        """Take the word that nothing more of this call will come."""
        call.is_over = True
        self._advance()

    def finish(self) -> None:
        """Close everything: the open call, the waiting ones, the text behind them. Held blanks are dropped."""
        for call in self._pending:
            call.is_over = True
        self._advance()
        self._end_thinking()

    def _advance(self) -> None:
        """Say all that can be said of the calls in front, then the text that waited for them."""
        while self._pending:
            call = self._pending[0]
            is_done = call.is_over or bool(call.name and call.scan.is_complete)
            if call.name and (call.waiting or is_done):
                self._say(call)
            if not is_done:
                return
            self._close(call)
        if self._queued_text:
            text = "".join(self._queued_text)
            self._queued_text.clear()
            self.text(text)

    def _say(self, call: Call) -> None:
        if call.slot is None:
            self._open_call(call)
        if call.waiting and call.slot is not None:
            self.out.append(ToolDelta(call.slot, "".join(call.waiting)))
            call.waiting.clear()

    def _open_call(self, call: Call) -> None:
        self._end_thinking()
        self._open = _Open.NOTHING
        self._held.clear()
        self._has_spoken = True
        call.slot = self.calls
        self.calls += 1
        # an id that was used already would make the client give two results the same name: the encoder mints another
        call_id = "" if call.id in self._ids else call.id
        self._ids.add(call.id)
        name = self.names.get(call.name, call.name)
        self.out.append(ToolStarted(slot=call.slot, id=call_id, name=name, kind=call.kind, signature=call.signature))

    def _close(self, call: Call) -> None:
        self._pending.popleft()
        call.is_over = True
        if call.slot is None:  # no name ever came
            self.counts["nameless_calls"] += call.has_arguments
            return
        if not call.has_arguments:
            self.out.append(ToolDelta(call.slot, "{}"))
        self.out.append(ToolDone(call.slot))

    def _end_thinking(self) -> None:
        if self._open is _Open.THINKING:
            self._open = _Open.NOTHING
            self.out.append(ThinkingSigned(self.sign("".join(self._thought))))
            self._thought.clear()
