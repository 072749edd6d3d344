"""Who spoke last (supervision.md 22, W21)."""

from __future__ import annotations

import time

import pytest

from router.domain.messages import Document, Image, Message, Opaque, Role, Text, Thinking, ToolResult
from router.guards.human_turn import is_human
from router.wire.human import without_reminders
from tests.router.guards.conversations import REMINDER, RESULT, calls, says

SERVER_RESULT = Opaque(dialect="anthropic", kind="web_search_tool_result", raw={}, loss="server-tool")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (says("go on"), True),
        (says(REMINDER + "\ngo on"), True),
        (says(ToolResult(call_id="c"), "stop that"), True),
        (says(Image(url="http://x/")), True),
        (says(Document(text="t")), True),
        (says("<system-reminder> that nobody closes"), True),
        (says("go on\n" + REMINDER), True),
        (says(Opaque(dialect="anthropic", kind="search_result", raw={}, loss=None)), True),
        (RESULT, False),
        (says(ToolResult(call_id="c"), REMINDER), False),
        (says(REMINDER, " \n" + REMINDER + REMINDER), False),
        (says(ToolResult(call_id="c"), " \n"), False),
        (says(SERVER_RESULT), False),
        (says(Thinking(text="hm")), False),
        (says(), False),
        (Message(role=Role.SYSTEM, content=(Text("rules"),)), False),
        (calls("Read"), False),
    ],
)
def test_a_person_says_more_than_results_and_reminders(message: Message, *, expected: bool) -> None:
    assert is_human(message) is expected


@pytest.mark.parametrize("fill", ["<system-reminder>", REMINDER, "<", " ", "</system-reminder>", "<system-reminder> "])
def test_a_hostile_text_costs_no_more_than_its_length(fill: str) -> None:
    text = fill * (1_048_576 // len(fill))
    begin = time.process_time()

    without_reminders(text)

    assert time.process_time() - begin < 1  # some hundredths; each character looked at again for each would take minutes
