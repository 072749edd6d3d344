"""What a Responses client reads: items, their ends, failures, and the codes that Codex tells apart (wire.md 10.2, R-23)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import evolve

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
)
from router.domain.messages import ToolKind
from router.errors import (
    ContextOverflow,
    ErrorKind,
    FailureReason,
    InvalidRequest,
    NoProviderAvailable,
    RouterError,
    ShuttingDown,
    StreamBroken,
    UpstreamClientError,
)
from router.wire.dialect import Partial, ReplyOptions
from router.wire.openai_responses.encode_stream import ResponsesEncoder, keepalive, tells_in_stream
from router.wire.openai_responses.reply import encode_reply
from router.wire.openai_responses.sealed import openai_signature, unseal, unseal_call
from tests import vectors
from tests.router.wire.drive import RESPONSES, assert_grammatical, client_events, minting
from tests.router.wire.openai_responses.bodies import AGENTS, PATCH, SHELL
from tests.router.wire.openai_responses.streams import OPTIONS, encoded, read

START = Started(id="1", model="m", created=7)
TEXT = TextDelta("half an ans")
END = Stopped(reason=StopReason.END)
BROKEN = StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset")
PACED = StreamBroken(provider="local", reason=FailureReason.RATE_LIMIT, message="x")
PARTIAL = Partial(provider="local", reason="stream_truncated", original_error="x", texts=(), usage=Usage(input=5, output=3))


def asking(**members: object) -> ReplyOptions:
    return evolve(OPTIONS, asked=members)


def calling(name: str, text: str, kind: ToolKind = ToolKind.FUNCTION) -> list[NeutralEvent]:
    return [START, ToolStarted(slot=0, id="c", name=name, kind=kind), ToolDelta(0, text), ToolDone(0), END]


def items(events: list[NeutralEvent], options: ReplyOptions = OPTIONS) -> list[Any]:
    """Return the items that are done, without their ids."""
    assert_grammatical(encoded(events, options), RESPONSES)
    told = [event["item"] for event in read(events, options) if event["type"] == "response.output_item.done"]
    return [{key: value for key, value in item.items() if key != "id"} for item in told]


def test_the_request_is_repeated_in_every_response_object() -> None:
    asked = {
        "instructions": "be brief",
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "top_p": 0.9,
        "tool_choice": "required",
        "tools": [SHELL],
    }

    told = [event["response"] for event in read([START, TEXT, END], asking(**asked)) if "response" in event]

    assert len(told) == 3
    assert all({key: response[key] for key in asked} == asked for response in told)


def test_ids_are_the_upstreams_with_one_prefix_or_minted() -> None:
    def first(upstream_id: str) -> str:
        return str(read([Started(id=upstream_id, model="m", created=7)])[0]["response"]["id"])

    assert [first(told) for told in ("x", "resp_x", "")] == ["resp_x", "resp_x", "resp_1"]


def test_a_call_without_an_id_gets_one() -> None:
    events: list[NeutralEvent] = [START, ToolStarted(slot=0, id="", name="X"), ToolDone(0), Stopped(reason=StopReason.TOOL_USE)]

    (item,) = items(events)

    assert item["call_id"].startswith("call_")
    assert item["arguments"] == "{}"


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        (SHELL, '{"a":1}', {"type": "function_call", "name": "shell", "arguments": '{"a":1}'}),
        (PATCH, '{"patch":"x"}', {"type": "custom_tool_call", "name": "apply_patch", "input": "x"}),
        (
            {"type": "local_shell"},
            '{"command":["ls"]}',
            {"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        ),
        ({"type": "shell"}, '{"commands":["ls"]}', {"type": "shell_call", "action": {"commands": ["ls"]}}),
        (
            {"type": "apply_patch"},
            '{"type":"delete_file","path":"a"}',
            {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}},
        ),
    ],
)
def test_a_call_is_the_item_of_the_tool_that_the_client_offers(tool: dict[str, Any], text: str, expected: dict[str, Any]) -> None:
    name = tool.get("name", tool["type"])

    assert items(calling(name, text), asking(tools=[tool])) == [{**expected, "call_id": "c", "status": "completed"}]


def test_a_flat_name_is_taken_apart_by_the_requests_own_list() -> None:
    options = asking(tools=[AGENTS, SHELL | {"name": "a__b"}])

    spawn, tell, plain = (items(calling(name, "{}"), options)[0] for name in ("agents__spawn", "agents__tell", "a__b"))

    assert (spawn["type"], spawn["name"], spawn["namespace"]) == ("function_call", "spawn", "agents")
    assert (tell["type"], tell["name"], tell["namespace"]) == ("custom_tool_call", "tell", "agents")
    assert plain["name"] == "a__b"
    assert "namespace" not in plain


@pytest.mark.parametrize(
    ("kind", "item_type"), [(ToolKind.CUSTOM, "custom_tool_call"), (ToolKind.LOCAL_SHELL, "local_shell_call")]
)
def test_a_call_of_an_unknown_tool_is_what_its_upstream_calls_it(kind: ToolKind, item_type: str) -> None:
    assert items(calling("other", '{"input":"x"}', kind))[0]["type"] == item_type


def test_a_call_that_was_cut_off_is_incomplete() -> None:
    events = [*calling("X", '{"a'), Stopped(reason=StopReason.LENGTH)]
    del events[-2]

    assert [item["status"] for item in items(events)] == ["incomplete"]
    assert read(events)[-1]["response"]["status"] == "incomplete"


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        (StopReason.END, "completed", None),
        (StopReason.STOP_SEQUENCE, "completed", None),
        (StopReason.UNKNOWN, "completed", None),
        (StopReason.REFUSAL, "completed", None),
        (StopReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (StopReason.CONTEXT_FULL, "incomplete", {"reason": "max_output_tokens"}),
        (StopReason.PAUSE, "incomplete", {"reason": "max_output_tokens"}),
        (StopReason.CONTENT_FILTER, "incomplete", {"reason": "content_filter"}),
    ],
)
def test_every_reason_has_its_last_event(reason: StopReason, status: str, details: object) -> None:
    last = read([START, TEXT, Stopped(reason=reason)])[-1]

    assert last["type"] == f"response.{status}"
    assert (last["response"]["status"], last["response"]["incomplete_details"]) == (status, details)


@pytest.mark.parametrize("events", [[START], [START, ThinkingDelta("hm"), ThinkingSigned("s")]])
def test_an_answer_that_says_nothing_is_never_a_turn_that_is_done(events: list[NeutralEvent]) -> None:
    last = read([*events, END])[-1]["response"]

    assert (last["status"], last["error"]["code"]) == ("failed", "server_error")


def test_a_refusal_without_a_word_gets_one() -> None:
    (item,) = items([START, Stopped(reason=StopReason.REFUSAL)])

    assert item["content"] == [{"type": "refusal", "refusal": "The model refused to answer."}]


def test_every_count_of_the_usage_is_an_integer() -> None:
    (usage,) = [event["response"]["usage"] for event in read([START, TEXT, END])[-1:]]

    assert usage == {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    }


def test_the_input_holds_what_came_from_the_cache_and_went_there() -> None:
    seen = UsageSeen(Usage(input=5, output=3, cache_read=4, cache_write=1, reasoning=2))

    usage = read([START, TEXT, seen, END])[-1]["response"]["usage"]

    assert (usage["input_tokens"], usage["total_tokens"]) == (10, 13)


INCLUDE = {"include": ["reasoning.encrypted_content"]}


def reasoning(*events: NeutralEvent, **asked: object) -> dict[str, Any]:
    item: dict[str, Any] = items([START, *events, TEXT, END], asking(**asked))[0]
    return item


def test_reasoning_that_can_be_given_back_is_sealed_for_a_client_that_asks_for_it() -> None:
    thought = (ThinkingDelta("hm"), ThinkingSigned("EqQB"))

    assert reasoning(*thought)["encrypted_content"] is None
    held = unseal(reasoning(*thought, **INCLUDE)["encrypted_content"], "")
    assert held is not None
    assert (held.text, held.signature) == ("hm", "EqQB")


def test_what_openai_encrypted_is_the_clients_as_it_was() -> None:
    item = reasoning(ThinkingDelta("hm"), ThinkingSigned(openai_signature("gAAA")))

    assert (item["encrypted_content"], item["summary"]) == ("gAAA", [{"type": "summary_text", "text": "hm"}])
    assert reasoning(ThinkingRedacted(openai_signature("gBBB")))["encrypted_content"] == "gBBB"


def test_hidden_reasoning_is_an_item_only_for_a_client_that_asks_for_it() -> None:
    assert reasoning(ThinkingRedacted("data"))["type"] == "message"
    assert reasoning(ThinkingRedacted("data"), **INCLUDE)["summary"] == []


def test_a_calls_signature_is_sealed_in_front_of_it_for_a_client_that_returns_such_items() -> None:
    events = [evolve(event, signature="sig") if isinstance(event, ToolStarted) else event for event in calling("X", "{}")]

    held, made = items(events, asking(**INCLUDE))

    assert unseal_call(held["encrypted_content"]) == (made["call_id"], "sig")
    assert [item["type"] for item in items(events)] == ["function_call"]


def failing(error: RouterError, *events: NeutralEvent) -> list[Any]:
    encoder = ResponsesEncoder(OPTIONS, minting())
    out = b"".join(encoder.encode(event) for event in events) + encoder.failed(error)
    assert_grammatical(out, RESPONSES)
    return client_events(out, RESPONSES)


def chain(kind: ErrorKind, retry_after_s: float | None = None) -> NoProviderAvailable:
    return NoProviderAvailable(kind=kind, message="nobody answered", profile="default", retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ContextOverflow(message="prompt is too long: 9 tokens > 8"), "context_length_exceeded"),
        (chain(ErrorKind.BUDGET_EXHAUSTED), "insufficient_quota"),
        (chain(ErrorKind.RATE_LIMITED, retry_after_s=6.2), "rate_limit_exceeded"),
        (PACED, "rate_limit_exceeded"),
        (BROKEN, "server_error"),
        (chain(ErrorKind.ALL_OVERLOADED), "server_error"),
        (chain(ErrorKind.ALL_FAILED), "no_providers_available"),
        (ShuttingDown(message="the router is stopping"), "shutting_down"),
        (InvalidRequest(message="x", param="input"), "invalid_prompt"),
        (UpstreamClientError(provider="p", status=400, message="bad", dialect="openai_chat"), "invalid_prompt"),
    ],
)
def test_a_failure_has_the_code_by_which_codex_knows_what_to_do(error: RouterError, code: str) -> None:
    for events in ((), (START, TEXT)):
        *_, last = failing(error, *events)
        assert last["type"] == "response.failed"
        assert last["response"]["error"]["code"] == code


def test_a_rate_limit_says_when_to_come_back_in_words_that_codex_reads() -> None:
    told = [
        failing(error)[-1]["response"]["error"]["message"] for error in (chain(ErrorKind.RATE_LIMITED, retry_after_s=6.2), PACED)
    ]

    assert told[0].endswith("try again in 7s")
    assert told[1].endswith("try again in 5s")


def test_a_failure_before_the_first_event_has_a_response_to_fail() -> None:
    assert [event["type"] for event in failing(BROKEN)] == ["response.created", "response.in_progress", "response.failed"]


def test_midstream_error_is_the_frame_of_its_vector() -> None:
    (vector,) = [f for f in vectors.load("errors/stream_frames.json")["frames"] if f["dialect"] == RESPONSES]
    expected = orjson.loads(vector["frame"].partition("data: ")[2])

    last = failing(BROKEN, START, TEXT)[-1]

    last["response"] = {key: last["response"][key] for key in expected["response"]}
    vectors.assert_matches(expected, last)


def test_what_was_done_before_the_failure_is_repeated() -> None:
    last = failing(BROKEN, *calling("X", "{}")[:-1], TEXT)[-1]["response"]

    assert [item["type"] for item in last["output"]] == ["function_call"]
    assert last["usage"] is None


def test_only_a_full_context_must_be_told_inside_the_stream() -> None:
    assert tells_in_stream(ContextOverflow(message="prompt is too long"))
    assert not tells_in_stream(BROKEN)
    assert not tells_in_stream(InvalidRequest(message="x"))


@pytest.mark.parametrize(
    ("events", "can_cut"),
    [
        ((), False),
        ((START,), True),
        ((START, TEXT), True),
        ((START, ThinkingDelta("hm")), True),
        ((START, TEXT, ToolStarted(slot=0, id="t", name="X")), False),
        ((START, TEXT, *calling("X", "{}")[1:-1]), True),
        ((START, TEXT, END), False),
    ],
)
def test_cut_is_possible_while_the_answer_runs_and_no_call_is_open(events: tuple[NeutralEvent, ...], *, can_cut: bool) -> None:
    encoder = ResponsesEncoder(OPTIONS, minting())
    out = b"".join(encoder.encode(event) for event in events)

    assert encoder.can_cut is can_cut
    if can_cut:
        assert_grammatical(out + encoder.cut(PARTIAL), RESPONSES)
    else:
        encoder.failed(BROKEN)
        assert not encoder.can_cut


def test_a_cut_answer_is_incomplete_with_the_real_usage() -> None:
    encoder = ResponsesEncoder(OPTIONS, minting())
    out = encoder.encode(START) + encoder.encode(TEXT) + encoder.cut(PARTIAL)

    last = client_events(out, RESPONSES)[-1]["response"]

    assert (last["status"], last["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert last["output"][0]["status"] == "incomplete"
    assert last["usage"]["output_tokens"] == 3


def test_progress_is_one_more_event_while_the_answer_runs() -> None:
    encoder = ResponsesEncoder(OPTIONS, minting())
    before = encoder.progress()
    out = encoder.encode(START) + encoder.progress() + encoder.encode(TEXT) + encoder.progress() + encoder.encode(END)

    assert before == b""
    assert encoder.progress() == b""
    assert_grammatical(out, RESPONSES)
    kinds = [event["type"] for event in client_events(out, RESPONSES)]
    assert kinds.count("response.in_progress") == 3


def test_keep_alive_is_a_comment() -> None:
    assert keepalive(started=True) == keepalive(started=False) == b": keep-alive\n\n"


def test_a_whole_reply_is_the_object_of_the_last_event() -> None:
    events = [START, TEXT, *calling("X", "{}")[1:]]

    assert encode_reply(events, OPTIONS, minting()) == read(events)[-1]["response"]


@pytest.mark.parametrize("text", ["\u2028", '"\\', "é😀", "\x00"])
def test_text_is_one_line_and_comes_back(text: str) -> None:
    out = encoded([START, TextDelta(text), END])

    assert "\u2028".encode() not in out
    assert client_events(out, RESPONSES)[-1]["response"]["output"][0]["content"][0]["text"] == text
