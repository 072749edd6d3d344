"""Which conversation a request belongs to, and which of a client's agents sent it (routing.md 9.4, wire.md 2.1).

A key never holds what somebody wrote: anything but a short word of a client's own making is hashed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

from attrs import frozen

from router.config.schema_rules import RequestClass
from router.guards.compaction import is_flagged, is_order
from router.wire.attribution import PREFIX as ATTRIBUTION

AgentClass = Literal["main", "subagent", "workflow", "compaction", "auxiliary", "unknown"]

CLAUDE_CODE_SESSION = "x-claude-code-session-id"
REQUEST_CLASS = "x-claude-code-request-class"
AGENT_TYPE = "x-claude-code-agent-type"
AGENT_ID = "x-claude-code-agent-id"  # a sub-agent's own, without the hint headers, too; never on the main agent's requests

_OUR_SESSION = "x-router-session"
_OTHER_SESSIONS = ("session-id", "thread-id", "session_id", "conversation_id", "x-session-id", "x-session-affinity")
_CLASSES: Mapping[str, RequestClass] = {name: name for name in get_args(RequestClass)}
_WORD = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")
_INSTRUCTIONS = ("system", "developer")


@frozen(kw_only=True)
class AgentTag:
    """Who sent a request: `session` is the conversation with all its agents, None where nothing tells.

    `klass` is what Claude Code says of the request, or what is seen of one that says nothing (`seen_class`), `agent` the
    sub-agent's id, or its type where it has none, or ""."""

    session: str | None
    klass: AgentClass
    agent: str


def session_key(headers: Mapping[str, str], document: Mapping[str, object]) -> str | None:
    """Return the key of the conversation for stickiness, slots and the journal; None where nothing tells it apart.

    Sub-agents of Claude Code have keys of their own; compaction goes on in the conversation that it makes smaller."""
    tag = agent_of(headers, document)
    if tag.session is None or headers.get(_OUR_SESSION) or not headers.get(CLAUDE_CODE_SESSION):
        return tag.session
    klass = _class_of(headers)
    if klass in ("unknown", "compaction") and headers.get(AGENT_ID):
        klass = "subagent"  # its own turn, or the compaction of its own conversation
    if klass in ("main", "unknown", "compaction"):
        return tag.session
    return ":".join(filter(None, (tag.session, klass, tag.agent)))


def agent_of(headers: Mapping[str, str], document: Mapping[str, object]) -> AgentTag:
    """Return who sent a request; a header that is not there, or says nothing known, leaves `unknown` and ""."""
    agent = headers.get(AGENT_ID) or headers.get(AGENT_TYPE) or ""
    klass = _class_of(headers)
    if klass == "unknown" and headers.get(AGENT_ID):
        klass = "subagent"
    return AgentTag(session=_base_key(headers, document), klass=klass, agent=_word(agent) if agent else "")


def seen_class(headers: Mapping[str, str], document: Mapping[str, object]) -> AgentClass:
    """Return the class of a request of Claude Code that says none; `unknown` of other clients.

    Before 2.1.273, or without its variable, it says none. But sub-agents have an id of their own, only what belongs to its
    conversation offers tools, and titles and the like offer none (clients.md 1)."""
    if not headers.get(CLAUDE_CODE_SESSION):
        return "unknown"
    if headers.get(AGENT_ID):
        return "subagent"
    messages = document.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    said = list(_texts(last.get("content"))) if isinstance(last, dict) and last.get("role") == "user" else []
    if said and is_order(said[-1]):
        return "compaction"
    return "main" if document.get("tools") else "auxiliary"


def _class_of(headers: Mapping[str, str]) -> AgentClass:
    told = headers.get(REQUEST_CLASS, "").strip().lower()
    if told in _CLASSES:
        return _CLASSES[told]
    return "compaction" if is_flagged(headers) else "unknown"


def _base_key(headers: Mapping[str, str], document: Mapping[str, object]) -> str | None:
    for name in (_OUR_SESSION, CLAUDE_CODE_SESSION, *_OTHER_SESSIONS):
        if value := headers.get(name):
            return _word(value)
    if isinstance(cache_key := document.get("prompt_cache_key"), str) and cache_key:
        return _word(cache_key)
    metadata = document.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    if isinstance(user, str) and user:
        return _hashed([user])  # it may be a person's name or address
    texts = [text for text in _beginning(document) if text]
    return _hashed(texts) if texts else None


def _beginning(document: Mapping[str, object]) -> Iterator[str]:
    """Yield the texts that stay the same while a conversation grows: instructions, and the first message of its user.

    The line that a client is billed by changes with every request, and so do cache marks, which are no text."""
    for text in _texts(document.get("system")):
        yield text.partition("\n")[2] if text.startswith(ATTRIBUTION) else text
    messages = document.get("messages")
    for message in messages if isinstance(messages, list) else ():
        role = message.get("role") if isinstance(message, dict) else None
        if role in _INSTRUCTIONS or role == "user":
            yield from _texts(message.get("content"))
        if role == "user":
            return


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and isinstance(text := block.get("text"), str):
            yield text


def _word(value: str) -> str:
    return value if _WORD.fullmatch(value) else _hashed([value])


def _hashed(texts: list[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        raw = text.encode("utf-8", "replace")
        digest.update(b"%d:" % len(raw))
        digest.update(raw)
    return f"sha256:{digest.hexdigest()[:32]}"
