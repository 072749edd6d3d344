"""`tool_args`: the arguments of a call in one piece, mended where they are no JSON (wire.md 8.3).

In pieces they are with the client before anybody can know whether they are whole; for servers that write them wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from attrs import define, field

from router.domain.events import NeutralEvent, ToolDelta, ToolDone
from router.wire.json_text import json_line, parse_object
from router.wire.lenient_json import parse

WATCHED_CALLS = 20  # under `auto`, one that is no JSON among so many lets the next ones wait


@define(eq=False)
class WholeArguments:
    """The stage of one answer: fragments wait for the end of their call."""

    _held: list[str] = field(factory=list)

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        """Return what goes on for one event."""
        if isinstance(event, ToolDelta):
            self._held.append(event.json_text)
            return ()
        if isinstance(event, ToolDone):
            text = mended("".join(self._held))
            self._held.clear()
            return (ToolDelta(event.slot, text), event)
        return (event,)

    def release(self) -> Sequence[NeutralEvent]:
        """Return nothing: half a call is of no use to anybody."""
        return ()


@define(eq=False)
class CallHistory:
    """Of each provider, whether its last calls were JSON; one per daemon, written as answers end."""

    _by_provider: dict[str, deque[bool]] = field(factory=dict)

    def note(self, provider: str, *, invalid: int, calls: int) -> None:
        """Take the calls of one answer in, `invalid` of which were no JSON."""
        seen = self._by_provider.setdefault(provider, deque(maxlen=WATCHED_CALLS))
        seen.extend([True] * (calls - invalid) + [False] * invalid)

    def is_doubtful(self, provider: str) -> bool:
        """Tell whether one of its last calls was no JSON."""
        return not all(self._by_provider.get(provider, ()))

    def forget(self, provider: str) -> None:
        """Drop what is known of a provider that is gone, or another backend from now on."""
        self._by_provider.pop(provider, None)


def mended(text: str) -> str:
    """Return arguments as JSON where it can be told what was meant, else as they are; none at all are an empty object."""
    if parse_object(text.encode("utf-8", "replace")) is not None:
        return text
    if not text or text.isspace():
        return "{}"
    try:
        value = parse(text, missing_closers=0)
    except ValueError:
        return text
    return json_line(value).decode() if isinstance(value, dict) else text
