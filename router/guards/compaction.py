"""The request by which a client shortens its own conversation, told from all others (R-61).

Such a request carries the whole conversation, and where it does not fit the client cannot go on at all: it is measured
against all of the window, and cut where it would otherwise be refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

from router.domain.messages import Role, Text
from router.domain.request import NeutralRequest

_CLASS_HEADER = "x-claude-code-request-class"
_FLAG_HEADER = "x-claude-code-compaction"  # auto, manual or reactive; absent on every other request
_NO = ("", "0", "false", "no", "none")

_ASKED_WITHIN = 4_000  # characters at either end of a text: clients put the order there, and what they quote in between
# An order to sum up this conversation, not a file: what is to be summed up is named right behind. The first message after
# a compaction ("the summary below covers the earlier portion of the conversation") orders nothing.
_ORDER = re.compile(
    r"\b(?:summary of|summari[sz](?:e|es|ing)|compact(?:ing)?)\b[^.\n]{0,30}"
    r"\b(?:conversation|chat history|(?:chat|session|work|discussion) so far|context checkpoint)\b"
    r"|\bcontext checkpoint compaction\b"
    r"|\bprompt for continuing our conversation\b",
    re.IGNORECASE,
)


def is_compaction(request: NeutralRequest, headers: Mapping[str, str]) -> bool:
    """Tell whether the client says so in a header (lower-case names), or asks for it in what it says last."""
    if headers.get(_CLASS_HEADER, "").strip().lower() == "compaction":
        return True
    return is_flagged(headers) or asks_to_summarise(request)


def is_flagged(headers: Mapping[str, str]) -> bool:
    """Tell whether Claude Code says in its own header that the request makes its conversation smaller."""
    return headers.get(_FLAG_HEADER, "").strip().lower() not in _NO


def asks_to_summarise(request: NeutralRequest) -> bool:
    """Tell whether the last message of the user orders a summary of the conversation."""
    last = request.messages[-1] if request.messages else None
    if last is None or last.role is not Role.USER:
        return False
    texts = [block.text for block in last.content if isinstance(block, Text)]
    return bool(texts) and is_order(texts[-1])


def is_order(text: str) -> bool:
    """Tell whether a text orders a summary of the conversation that it stands in."""
    ends = (text,) if len(text) <= 2 * _ASKED_WITHIN else (text[:_ASKED_WITHIN], text[-_ASKED_WITHIN:])
    return any(_ORDER.search(end) for end in ends)
