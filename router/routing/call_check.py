"""The tool calls of a translated answer: whether each one is whole, and whether it is JSON (wire.md 8.3, R-38).

Its bytes are on their way when that is known, so a call that is no JSON is only told. But a client that is sent off
to run tools, and has no whole call to run, hangs: such an answer has failed."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from attrs import define, field

from router.domain.events import NeutralEvent, Stopped, StopReason, ToolDelta, ToolDone
from router.errors import FailureReason, ProviderFailed
from router.wire.json_scan import JsonScan
from router.wire.json_text import parse_object


@define
class CallCheck:
    """Follows the calls of one answer. `invalid` counts those whose arguments are no JSON object."""

    provider: str
    invalid: int = 0
    seen: int = 0
    _whole: int = 0
    _pieces: list[str] = field(factory=list)

    def piece(self, event: ToolDelta) -> None:
        """Take a fragment of the open call."""
        self._pieces.append(event.json_text)

    def done(self) -> None:
        """Judge the open call, which gets no more."""
        text = "".join(self._pieces)
        self._pieces.clear()
        is_object = parse_object(text.encode("utf-8", "replace")) is not None
        self._whole += is_object or _is_whole(text)
        self.invalid += not is_object
        self.seen += 1

    def stop(self, event: Stopped) -> None:
        """Let the end of the answer pass. Raises ProviderFailed where it asks for tools and no call is whole."""
        if event.reason is StopReason.TOOL_USE and not self._whole:
            raise ProviderFailed(
                provider=self.provider, reason=FailureReason.BAD_RESPONSE, message="the answer ends inside its tool call"
            )


def count_calls(events: Iterable[NeutralEvent], provider: str) -> tuple[int, int]:
    """Return how many calls of a whole reply are no JSON, and how many there are. Raises as `CallCheck.stop` does."""
    check = CallCheck(provider)
    for event in events:
        if isinstance(event, ToolDelta):
            check.piece(event)
        elif isinstance(event, ToolDone):
            check.done()
        elif isinstance(event, Stopped):
            check.stop(event)
    return check.invalid, check.seen


def _is_whole(text: str) -> bool:
    """Tell whether arguments that are no JSON object came to an end: by their brackets, or as a word such as `null`."""
    if JsonScan().feed(text) is not None:
        return True
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
