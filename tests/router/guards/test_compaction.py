"""Which requests compact a conversation (R-61)."""

from __future__ import annotations

import time

import pytest

from router.domain.messages import Message, Role, Text, ToolResult
from router.domain.request import DialectName, NeutralRequest
from router.guards.compaction import asks_to_summarise, is_compaction

# how Claude Code begins the conversation that follows
AFTER_ONE = (
    "This session is being continued from a previous conversation that ran out of context. The summary below covers"
    " the earlier portion of the conversation."
)


def saying(text: str, role: Role = Role.USER) -> NeutralRequest:
    messages = (
        Message(role=Role.USER, content=(Text("fix the test"),)),
        Message(role=role, content=(ToolResult(call_id="x"), Text(text))),
    )
    return NeutralRequest(dialect=DialectName.ANTHROPIC, messages=messages)


@pytest.mark.parametrize(
    "text",
    [
        "Your task is to create a detailed summary of the conversation so far, with attention to what was asked.",
        "You are performing a CONTEXT CHECKPOINT COMPACTION. Create a handoff summary for another model.",
        "Provide a detailed prompt for continuing our conversation above.",
        "Please summarize our conversation.",
        "Summarise the work so far in ten lines",
        "quoted " * 5_000 + "\nNow write a summary of this conversation.",
        "Write a summary of this conversation:\n" + "quoted " * 5_000,
    ],
)
def test_an_order_to_sum_up_the_conversation_is_a_compaction(text: str) -> None:
    assert asks_to_summarise(saying(text))


@pytest.mark.parametrize(
    "text",
    [
        "Summarize the file parser.py",
        "Write a summary of the changes for the commit message.",
        AFTER_ONE,
        "The conversation with the vendor went well.",
        "Make the compact view of the chat work again",
        "",
    ],
)
def test_other_requests_are_not(text: str) -> None:
    assert not asks_to_summarise(saying(text))


def test_only_the_user_orders_it() -> None:
    assert not asks_to_summarise(saying("Here is a summary of the conversation so far.", Role.ASSISTANT))
    assert not asks_to_summarise(NeutralRequest(dialect=DialectName.ANTHROPIC))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"x-claude-code-request-class": "Compaction"}, True),
        ({"x-claude-code-request-class": "main"}, False),
        ({"x-claude-code-compaction": "true"}, True),
        ({"x-claude-code-compaction": "auto"}, True),
        ({"x-claude-code-compaction": "false"}, False),
        ({"x-claude-code-compaction": ""}, False),
    ],
)
def test_a_client_may_say_so_in_a_header(headers: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_compaction(saying("go on"), headers) is expected


@pytest.mark.parametrize("text", ["summary of " * 6_000, "s" * 64_000, "compact " * 8_000])
def test_a_hostile_text_costs_nothing(text: str) -> None:
    begun = time.perf_counter()
    asks_to_summarise(saying(text))

    assert time.perf_counter() - begun < 0.1
