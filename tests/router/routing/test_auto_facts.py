"""What the rules look at, in both dialects."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.routes import usual_path
from router.routing.auto_facts import Facts, client_of
from tests.router.routing.auto_rig import IMAGE, IMAGE_URL, REMINDER, assistant, facts, result, text, user

CAPTURE = Path(__file__).parents[2] / "fixtures" / "captures" / "claude_code_tool_result.json"
TOOL_MESSAGE = {"role": "tool", "tool_call_id": "c", "content": [IMAGE_URL]}


# ---- the last human turn


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([user("one"), assistant(), user("two")], "two"),
        ([user(text("a"), text("b"))], "a\nb"),
        ([user({"type": "input_text", "text": "a"}, IMAGE)], "a"),
        ([user("one"), assistant(), user(result(text("data")))], "one"),
        ([user("one"), assistant(), user(result(text("data")), REMINDER)], "one"),
        ([user("one"), assistant(), user(REMINDER)], "one"),
        ([user("one"), assistant(), user(REMINDER["text"])], "one"),
        ([user("one"), assistant(), user(result(text("data")), text("two"))], "two"),
        ([user(REMINDER, text("one"))], "one"),
        ([user("one" + REMINDER["text"] + "two")], "onetwo"),
        ([user("why <system-reminder> at all")], "why <system-reminder> at all"),
        ([user("one"), assistant(), {"role": "tool", "tool_call_id": "c", "content": "data"}], "one"),
        ([user("one"), assistant(), user("")], ""),
        ([user(result(text("data")))], ""),
        ([{"role": "system", "content": "be brief"}], ""),
        ([], ""),
    ],
)
def test_the_text_is_what_a_human_said_last(messages: list[dict[str, Any]], said: str) -> None:
    assert facts(*messages).text == said


def test_the_captured_turn_of_claude_code_is_the_question_and_not_its_reminders() -> None:
    body = json.loads(CAPTURE.read_bytes())["requests"][0]["body"]

    assert facts(*body["messages"]).text.startswith("Read the file USE_TOOL:")


@pytest.mark.parametrize(
    ("messages", "seen"),
    [
        ([user(text("look"), IMAGE)], True),
        ([user(text("look"), IMAGE_URL)], True),
        ([user({"type": "input_image", "image_url": "x"})], True),
        ([user("look"), assistant(), user(result(IMAGE))], True),
        ([user("look"), assistant(), TOOL_MESSAGE], True),
        ([user(IMAGE), assistant(), user("and now?")], False),
        ([user("look"), {"role": "assistant", "content": [IMAGE]}], False),
        ([user("look"), assistant(), TOOL_MESSAGE, assistant(), user("and now?")], False),
        ([user("image")], False),
    ],
)
def test_an_image_counts_in_the_last_human_turn_and_in_results_since(messages: list[dict[str, Any]], seen: bool) -> None:  # noqa: FBT001 - a column
    assert facts(*messages).has_image is seen


@pytest.mark.parametrize(
    ("said", "ratio"),
    [
        ("", 0.0),
        ("no code", 0.0),
        ("```abcd```", 1.0),
        ("0123456789```abcd```", 0.5),
        ("```abcd", 0.0),
        ("``````0123", 0.6),
        ("```a```12345678901234```", 0.292),
    ],
)
def test_code_is_what_stands_between_closed_fences(said: str, ratio: float) -> None:
    assert round(facts(user(said)).code_fence_ratio, 3) == ratio


@pytest.mark.parametrize(
    ("said", "ratio"),
    [
        ("", 0.0),
        ("plain", 0.0),
        ("中文", 1.0),
        ("日本ab", 0.5),
        ("ひらカナ", 1.0),
        ("한국ab", 0.5),
        ("Ελληνικά", 0.0),
        ("\U00020000a", 0.5),
    ],
)
def test_the_share_of_cjk_characters(said: str, ratio: float) -> None:
    assert facts(user(said)).cjk_ratio == ratio


# ---- the rest of the request


@pytest.mark.parametrize(
    ("body", "has"),
    [
        ({"tools": [{"name": "t"}]}, True),
        ({"functions": [{"name": "t"}]}, True),
        ({"tools": []}, False),
        ({"tools": {"name": "t"}}, False),
        ({}, False),
    ],
)
def test_tools_are_offered_by_a_list_that_is_not_empty(body: dict[str, Any], has: bool) -> None:  # noqa: FBT001 - a column
    assert facts(**body).has_tools is has


@pytest.mark.parametrize(
    ("body", "wants"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "disabled"}}, False),
        ({"reasoning_effort": "high"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": None}, False),
        ({}, False),
    ],
)
def test_reasoning_is_asked_for_in_the_words_of_either_dialect(body: dict[str, Any], wants: bool) -> None:  # noqa: FBT001 - a column
    assert facts(**body).wants_thinking is wants


@pytest.mark.parametrize(
    ("agent", "client"),
    [
        ("claude-cli/2.1.197 (external, sdk-cli)", "claude-code"),
        ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb", "codex"),
        ("codex_cli_rs/0.100.0", "codex"),
        ("GeminiCLI-tui/0.61.0/gemini-2.5-flash (linux; x64; terminal)", "gemini-cli"),
        ("OpenAI/Python 3.54.0", "openai-sdk"),
        ("AsyncOpenAI/Python 3.54.0", "openai-sdk"),
        ("Anthropic/JS 0.94.0", "anthropic-sdk"),
        ("AsyncAnthropic/Python 2.12.0", "anthropic-sdk"),
        ("opencode/1.18.33", "other"),
        ("", "other"),
    ],
)
def test_a_client_is_known_by_its_user_agent(agent: str, client: str) -> None:
    assert client_of(agent) == client


@pytest.mark.parametrize(
    ("path", "usual"),
    [
        ("/v1/messages", "/v1/messages"),
        ("/v1/v1/messages", "/v1/messages"),
        ("/chat/completions", "/v1/chat/completions"),
        ("v1/chat/completions/", "/v1/chat/completions"),
    ],
)
def test_aliases_of_a_route_are_one_route(path: str, usual: str) -> None:
    assert usual_path(path) == usual


def test_counting_goes_where_the_answer_would_come_from() -> None:
    assert facts(path="/v1/messages/count_tokens").route == "/v1/messages"


def test_the_estimate_is_made_only_when_somebody_asks() -> None:
    asked, unasked = facts(user("word " * 100)), facts(user("word " * 100))

    assert asked.estimated_tokens == asked.estimated_tokens_if_known
    assert unasked.estimated_tokens_if_known is None


# ---- whatever comes

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
WORDS = st.sampled_from(["text", "tool_result", "image", "user", "assistant", "<system-reminder>", "```", "</system-reminder>"])
KEYS = (
    st.sampled_from(["role", "content", "type", "text", "messages", "tools", "thinking", "system", "source", "input"]) | st.text()
)
JSON = st.recursive(
    SCALARS | WORDS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "messages": st.lists(st.fixed_dictionaries({"role": WORDS | SCALARS, "content": JSON}) | JSON, max_size=4) | JSON,
        "tools": JSON,
        "functions": JSON,
        "system": JSON,
        "thinking": JSON,
        "reasoning_effort": JSON,
    },
)


@given(DOCUMENTS)
def test_no_document_makes_a_fact_raise(document: dict[str, Any]) -> None:
    document = orjson.loads(orjson.dumps(document, default=str))
    seen = Facts(document=document, headers={}, path="", model="", is_stream=False)

    assert isinstance(seen.has_image, bool)
    assert 0 <= seen.code_fence_ratio <= 1
    assert 0 <= seen.cjk_ratio <= 1
    assert seen.estimated_tokens >= 0
    assert isinstance((seen.has_tools, seen.wants_thinking, seen.text), tuple)


@pytest.mark.parametrize("piece", ["<system-reminder>", "</system-reminder>", "```", "`", "中", "a中", "<", "\n"])
def test_a_long_run_of_anything_takes_no_time(piece: str) -> None:
    seen = facts(user(piece * (65536 // len(piece))))
    began = perf_counter()

    _ = (seen.text, seen.code_fence_ratio, seen.cjk_ratio, seen.has_image)

    assert perf_counter() - began < 0.1
