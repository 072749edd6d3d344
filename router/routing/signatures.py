"""What a vendor wants back with a call that its model made, for clients that cannot carry it (R-73, wire.md 11.1).

Gemini signs the thought behind a call and refuses the call's result without that signature. A client of another dialect
knows only the call's id and name."""

from __future__ import annotations

from attrs import define, evolve, field

from router.domain.messages import Block, Message, ToolUse
from router.domain.request import NeutralRequest
from router.routing.lru import Lru

MAX_KNOWN = 10_000  # calls


@define(eq=False)
class CallSignatures:
    """A bounded memory, those seen last; one per daemon."""

    _by_call: Lru[tuple[str, str], str] = field(init=False, factory=lambda: Lru(MAX_KNOWN))

    def remember(self, call_id: str, name: str, signature: str) -> None:
        """Note what goes with a call that a client has been given; one without an id cannot be found again."""
        if call_id and signature:
            self._by_call.put((call_id, name), signature)

    def put_back(self, request: NeutralRequest) -> NeutralRequest:
        """Return the request with the signatures of those of its calls that come without."""
        if not len(self._by_call):
            return request
        messages = tuple(self._signed(message) for message in request.messages)
        is_same = all(before is after for before, after in zip(request.messages, messages, strict=True))
        return request if is_same else evolve(request, messages=messages)

    def _signed(self, message: Message) -> Message:
        content = tuple(self._signed_block(block) for block in message.content)
        is_same = all(before is after for before, after in zip(message.content, content, strict=True))
        return message if is_same else evolve(message, content=content)

    def _signed_block(self, block: Block) -> Block:
        if not isinstance(block, ToolUse) or block.signature:
            return block
        signature = self._by_call.get((block.id, block.name))
        return block if signature is None else evolve(block, signature=signature)
