"""Calls that the upstream makes itself behind calls that were made of its text: what says the same is made once."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from attrs import define, evolve, field

from router.domain.events import NeutralEvent, ToolDelta, ToolDone, ToolStarted

CallEvent = ToolStarted | ToolDelta | ToolDone


def same(name: str, arguments: object) -> tuple[str, bytes]:
    """Return what is equal for two calls of one tool with the same arguments."""
    return name, orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)


@define
class NativeCalls:
    """One answer's. As long as nothing was made of text, all passes as it came; then each call waits for its end."""

    slots: int = 0  # given away
    _made: set[tuple[str, bytes]] = field(factory=set)
    _waiting: dict[int, list[CallEvent]] = field(factory=dict)  # by the upstream's slot

    def made(self, name: str, arguments: object) -> int:
        """Note a call that was made of text; return its slot."""
        self._made.add(same(name, arguments))
        self.slots += 1
        return self.slots - 1

    def feed(self, event: CallEvent) -> Sequence[NeutralEvent]:
        """Return what goes on for one event of a call of the upstream."""
        if not self._made:
            return (event,)
        self._waiting.setdefault(event.slot, []).append(event)
        return self._end(event.slot) if isinstance(event, ToolDone) else ()

    def release(self) -> Sequence[NeutralEvent]:
        """Return the calls that are still waiting, as far as they came."""
        return [event for slot in [*self._waiting] for event in self._end(slot)]

    def _end(self, slot: int) -> Sequence[NeutralEvent]:
        events = self._waiting.pop(slot)
        if self._is_made(events):
            return ()
        self.slots += 1
        return [evolve(event, slot=self.slots - 1) for event in events]

    def _is_made(self, events: Sequence[CallEvent]) -> bool:
        name = next((event.name for event in events if isinstance(event, ToolStarted)), "")
        text = "".join(event.json_text for event in events if isinstance(event, ToolDelta))
        try:
            return same(name, orjson.loads(text)) in self._made
        except orjson.JSONDecodeError:
            return False
