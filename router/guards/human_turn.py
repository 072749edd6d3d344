"""Who spoke last, a person or a tool: what guards count from (supervision.md 22, W21)."""

from __future__ import annotations

from router.domain.messages import Block, Document, Image, Message, Opaque, Role, Text
from router.wire.human import without_reminders


def is_human(message: Message) -> bool:
    """Tell whether a person speaks: a user message with something beside tool results and reminders of the client."""
    return message.role is Role.USER and any(map(_is_said, message.content))


def _is_said(block: Block) -> bool:
    match block:
        case Text(text):
            return bool(without_reminders(text))
        case Image() | Document():
            return True
        case Opaque(loss=loss):
            return loss != "server-tool"  # a result of the vendor's own tool
        case _:
            return False
