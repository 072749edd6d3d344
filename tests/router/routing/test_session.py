from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.routing.session import AgentTag, agent_of, seen_class, session_key

CC = "x-claude-code-"
SID = {f"{CC}session-id": "sid"}
HASH = re.compile(r"sha256:[0-9a-f]{32}")
EVERYTHING: Mapping[str, str] = {
    "x-router-session": "ours",
    f"{CC}session-id": "claude",
    "session-id": "codex",
    "thread-id": "thread",
    "session_id": "old",
    "conversation_id": "older",
    "x-session-id": "opencode",
    "x-session-affinity": "affinity",
}
BODY: dict[str, Any] = {
    "prompt_cache_key": "cache",
    "metadata": {"user_id": "jane"},
    "system": "be brief",
    "messages": [{"role": "user", "content": "hi"}],
}


def hints(klass: str = "", agent_type: str = "", agent_id: str = "", compaction: str = "") -> dict[str, str]:
    told = {"request-class": klass, "agent-type": agent_type, "agent-id": agent_id, "compaction": compaction}
    return {f"{CC}{name}": value for name, value in told.items() if value}


@pytest.mark.parametrize("first", range(len(EVERYTHING)))
def test_headers_are_looked_at_in_the_order_of_the_spec(first: int) -> None:
    headers = dict(list(EVERYTHING.items())[first:])

    assert session_key(headers, BODY) == next(iter(headers.values()))


def test_then_the_body_is_looked_at() -> None:
    keys = [session_key({}, dict(list(BODY.items())[first:])) for first in range(len(BODY))]

    assert keys[0] == "cache"
    assert all(key is not None and HASH.fullmatch(key) for key in keys[1:])
    assert len(set(keys)) == len(BODY)


@pytest.mark.parametrize("said", ["jane@example.com", "two words", "x" * 129, "tab\there", "naïve", "\ud800"])
def test_what_is_no_short_word_of_a_machine_is_hashed(said: str) -> None:
    key = session_key({"x-router-session": said}, {})

    assert key is not None
    assert HASH.fullmatch(key)


def test_nothing_that_somebody_wrote_stands_in_a_key() -> None:
    key = session_key({}, {"messages": [{"role": "user", "content": "secret"}]})
    user = session_key({}, {"metadata": {"user_id": "jane"}})

    assert key is not None
    assert user is not None
    assert HASH.fullmatch(key)
    assert HASH.fullmatch(user)


@pytest.mark.parametrize("document", [{}, {"messages": []}, {"messages": [{"role": "user", "content": [{"type": "image"}]}]}])
def test_a_request_that_says_nothing_has_no_session(document: dict[str, Any]) -> None:
    assert session_key({}, document) is None


# ---- the beginning of a conversation


def chat(*messages: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


def test_a_conversation_keeps_its_key_while_it_grows() -> None:
    first = chat(("system", "be brief"), ("user", "hi"))
    later = chat(("system", "be brief"), ("user", "hi"), ("assistant", "hello"), ("user", "and now?"))

    assert session_key({}, first) == session_key({}, later)


def test_cache_marks_and_the_billing_line_do_not_change_it() -> None:
    def body(bill: str, **mark: object) -> dict[str, Any]:
        system = [{"type": "text", "text": f"x-anthropic-billing-header: {bill}"}, {"type": "text", "text": "be brief", **mark}]
        return {"system": system, **chat(("user", [{"type": "text", "text": "hi", **mark}]))}

    assert session_key({}, body("cch=1", cache_control={"type": "ephemeral"})) == session_key({}, body("cch=2"))


@pytest.mark.parametrize(
    "other",
    [
        {"system": "be brief", **chat(("user", "ho"))},
        {"system": "be long", **chat(("user", "hi"))},
        {"system": "be briefhi", **chat(("user", ""))},
        chat(("user", "hi")),
    ],
)
def test_another_beginning_is_another_conversation(other: dict[str, Any]) -> None:
    assert session_key({}, other) != session_key({}, {"system": "be brief", **chat(("user", "hi"))})


# ---- the agents of Claude Code


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        (hints(), "sid"),
        (hints("main"), "sid"),
        (hints("compaction"), "sid"),
        (hints(compaction="auto"), "sid"),
        (hints("Subagent", "Explore"), "sid:subagent:Explore"),
        (hints("subagent", "Explore", "a1"), "sid:subagent:a1"),
        (hints(agent_id="a1"), "sid:subagent:a1"),
        (hints("compaction", agent_id="a1"), "sid:subagent:a1"),
        (hints("workflow"), "sid:workflow"),
        (hints("auxiliary"), "sid:auxiliary"),
        (hints("never heard of"), "sid"),
    ],
)
def test_agents_other_than_the_main_one_have_sessions_of_their_own(headers: dict[str, str], key: str) -> None:
    assert session_key(SID | headers, {}) == key


def test_a_session_that_the_user_names_is_not_split() -> None:
    assert session_key({"x-router-session": "ours"} | SID | hints("subagent", "Explore"), {}) == "ours"


@pytest.mark.parametrize(
    ("headers", "tag"),
    [
        ({}, AgentTag(session=None, klass="unknown", agent="")),
        (SID, AgentTag(session="sid", klass="unknown", agent="")),
        (SID | hints("main"), AgentTag(session="sid", klass="main", agent="")),
        (SID | hints("subagent", "Explore", "a1"), AgentTag(session="sid", klass="subagent", agent="a1")),
        (SID | hints("subagent", "Explore"), AgentTag(session="sid", klass="subagent", agent="Explore")),
        (SID | hints(agent_id="a1"), AgentTag(session="sid", klass="subagent", agent="a1")),
        (SID | hints("workflow"), AgentTag(session="sid", klass="workflow", agent="")),
        (SID | hints(compaction="reactive"), AgentTag(session="sid", klass="compaction", agent="")),
        (SID | hints(compaction="no"), AgentTag(session="sid", klass="unknown", agent="")),
        (SID | hints("auxiliary"), AgentTag(session="sid", klass="auxiliary", agent="")),
        (SID | hints("nonsense"), AgentTag(session="sid", klass="unknown", agent="")),
    ],
)
def test_a_request_tells_which_agent_sent_it(headers: dict[str, str], tag: AgentTag) -> None:
    assert agent_of(headers, {}) == tag


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "user_id", "role", "content"]), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["system", "messages", "metadata", "prompt_cache_key"]), ANY))
def test_no_document_makes_a_key_raise(document: dict[str, Any]) -> None:
    key = session_key({}, orjson.loads(orjson.dumps(document)))

    assert key is None or len(key) <= 128


SUM_UP = [
    {"type": "text", "text": "<system-reminder>x</system-reminder>"},
    {"type": "text", "text": "Summarize our conversation."},
]


@pytest.mark.parametrize(
    ("headers", "body", "klass"),
    [
        (SID, {"tools": [{"name": "Read"}], "messages": BODY["messages"]}, "main"),
        (SID, {"messages": BODY["messages"]}, "auxiliary"),
        (SID, {"tools": [], "messages": BODY["messages"]}, "auxiliary"),
        (SID, {"tools": [{"name": "Read"}], "messages": [{"role": "user", "content": SUM_UP}]}, "compaction"),
        (SID | hints(agent_id="a1"), {"tools": [{"name": "Read"}]}, "subagent"),
        ({"x-session-id": "s"}, {"tools": [{"name": "Read"}]}, "unknown"),
        (SID, {"messages": "odd"}, "auxiliary"),
        (SID, {"messages": [7], "tools": 1}, "main"),
    ],
)
def test_a_claude_code_that_says_no_class_is_seen_through(headers: dict[str, str], body: dict[str, Any], klass: str) -> None:
    assert seen_class(headers, body) == klass
