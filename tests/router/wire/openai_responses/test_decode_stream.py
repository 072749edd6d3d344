"""Upstream streams of this dialect: every liberty that servers take is taken (wire.md 10.3)."""

from __future__ import annotations

import pytest
from attrs import evolve

from router.domain.events import (
    Reply,
    SaidCall,
    SaidText,
    SaidThinking,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
    fold,
)
from router.domain.messages import ToolKind
from router.errors import FailureReason, ProviderFailed
from router.wire.dialect import ReplyOptions
from router.wire.openai_responses.decode_stream import ResponsesDecoder
from router.wire.openai_responses.sealed import openai_signature
from router.wire.reasoning import is_router_signature
from tests.router.wire.drive import minting
from tests.router.wire.openai_responses.bodies import AGENTS, PATCH
from tests.router.wire.openai_responses.streams import (
    CREATED,
    OPTIONS,
    Event,
    added,
    decoded,
    delta,
    done,
    ended,
    frame,
    function,
    message,
)

TEXT = [added(0, type="message", id="msg_1"), delta("output_text", "msg_1", 0, "Hel"), delta("output_text", "msg_1", 0, "lo")]


def reply(*events: Event, options: ReplyOptions = OPTIONS) -> Reply:
    return fold(decoded([CREATED, *events], options))


def failure(*events: Event | bytes) -> ProviderFailed:
    with pytest.raises(ProviderFailed) as caught:
        decoded(events)
    return caught.value


def test_a_text_answer_is_told_as_it_comes() -> None:
    assert decoded([CREATED, *TEXT, done(0, **message("Hello")), ended(message("Hello"))]) == [
        Started(id="resp_1", model="m", created=7),
        TextDelta("Hel"),
        TextDelta("lo"),
        UsageSeen(Usage(input=5, output=3, cache_read=4, cache_write=1, reasoning=2)),
        Stopped(reason=StopReason.END),
    ]


def test_a_call_is_told_in_pieces_and_closed_as_soon_as_it_is_whole() -> None:
    begun = added(0, **function(""))
    pieces = [delta("function_call_arguments", "fc_1", 0, piece) for piece in ('{"a"', ":1}")]

    assert decoded([CREATED, begun, *pieces, done(0, **function('{"a":1}')), ended()])[1:5] == [
        ToolStarted(slot=0, id="call_1", name="X"),
        ToolDelta(0, '{"a"'),
        ToolDelta(0, ":1}"),
        ToolDone(0),
    ]


@pytest.mark.parametrize(
    "events",
    [
        [*TEXT, done(0, **message("Hello"))],
        [*TEXT],
        [TEXT[0], done(0, **message("Hello"))],
        [TEXT[0], TEXT[1], done(0, **message("Hello"))],
        [done(0, **message("Hello"))],
        [*TEXT[1:], done(0, **message("Hello"))],
        [{"type": "response.output_text.delta", "delta": "Hello"}],
        [TEXT[0], {**TEXT[1], "item_id": "other"}, {**TEXT[2], "item_id": "another"}, done(0, **message("Hello", "third"))],
        [],
    ],
    ids=["whole", "no done", "no deltas", "half", "done only", "no added", "bare deltas", "ids that change", "at the end only"],
)
def test_the_text_is_the_same_whatever_the_server_leaves_out(events: list[Event]) -> None:
    assert reply(*events, ended(message("Hello"))).blocks == (SaidText(text="Hello"),)


@pytest.mark.parametrize(
    "events",
    [
        [added(0, **function("")), delta("function_call_arguments", "fc_1", 0, '{"a":1}'), done(0, **function('{"a":1}'))],
        [added(0, **function("")), delta("function_call_arguments", "fc_1", 0, '{"a"'), done(0, **function('{"a":1}'))],
        [added(0, **function("")), delta("function_call_arguments", "fc_1", 0, '{"a": 1}'), done(0, **function('{"a":1}'))],
        [done(0, **function('{"a":1}'))],
        [
            added(0, **function("", name="")),
            delta("function_call_arguments", "fc_1", 0, '{"a":1}'),
            done(0, **function('{"a":1}')),
        ],
        [delta("function_call_arguments", "fc_1", 0, '{"a":1}'), done(0, **function('{"a":1}'))],
        [],
    ],
    ids=["whole", "half", "other spaces", "done only", "name late", "no added", "at the end only"],
)
def test_a_call_is_the_same_whatever_the_server_leaves_out(events: list[Event]) -> None:
    (call,) = reply(*events, ended(function('{"a":1}'))).blocks

    assert isinstance(call, SaidCall)
    assert (call.id, call.name, call.json_text.replace(" ", "")) == ("call_1", "X", '{"a":1}')


def test_items_that_all_have_the_same_place_are_told_apart_by_their_kind() -> None:
    thought = [added(0, **REASONING), delta("reasoning_summary_text", "rs_1", 0, "a", summary_index=0)]
    spoken = [delta("output_text", "msg_1", 0, "Hello"), done(0, **message("Hello"))]

    assert reply(*thought, *spoken, ended()).blocks[-1] == SaidText(text="Hello")


def test_calls_whose_items_have_no_id_are_told_apart_by_the_ids_of_their_calls() -> None:
    """llama.cpp names neither item nor place, only the call, and tells all calls whole behind the last piece."""
    calls = [{"type": "function_call", "call_id": f"fc_{name}", "name": name, "arguments": '{"p":1}'} for name in "XY"]
    begun = [{**added(0, **call, status="in_progress"), "output_index": None} for call in calls]
    begun = [{**event, "item": {**event["item"], "arguments": ""}} for event in begun]
    pieces = [[delta("function_call_arguments", f"fc_{name}", 0, text) for text in ('{"p"', ":1}")] for name in "XY"]
    pieces = [[{key: value for key, value in event.items() if key != "output_index"} for event in told] for told in pieces]
    whole = [{"type": "response.output_item.done", "item": call} for call in calls]

    told = reply(begun[0], *pieces[0], begun[1], *pieces[1], *whole, ended(*calls))
    only_whole = reply(*whole, ended(*calls))

    expected = tuple(SaidCall(id=f"fc_{name}", name=name, json_text='{"p":1}') for name in "XY")
    assert told.blocks == expected
    assert only_whole.blocks == expected


def test_a_call_that_contradicts_its_pieces_is_never_run() -> None:
    begun = [added(0, **function("")), delta("function_call_arguments", "fc_1", 0, '{"a":1}')]

    assert failure(CREATED, *begun, done(0, **function('{"a":2}'))).reason is FailureReason.BAD_RESPONSE


def test_a_text_that_contradicts_its_pieces_stays_what_was_said() -> None:
    assert reply(*TEXT, done(0, **message("Bye")), ended()).blocks == (SaidText(text="Hello"),)


def test_a_free_text_becomes_the_one_argument_of_a_function() -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "apply_patch"}
    pieces = [delta("custom_tool_call_input", "ctc_1", 0, piece) for piece in ('*** "Begin', '"\n')]

    (call,) = reply(added(0, **item, input=""), *pieces, done(0, **item, input='*** "Begin"\nx'), ended()).blocks

    assert call == SaidCall(id="c", name="apply_patch", json_text='{"input":"*** \\"Begin\\"\\nx"}', kind=ToolKind.CUSTOM)


@pytest.mark.parametrize("text", ["", "x", "ü\u2028\\"])
def test_a_free_text_that_comes_whole_is_the_same(text: str) -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "p", "input": text}

    (whole,) = reply(done(0, **item), ended()).blocks
    (pieces,) = reply(
        added(0, **{**item, "input": ""}),
        *(delta("custom_tool_call_input", "ctc_1", 0, p) for p in text),
        done(0, **item),
        ended(),
    ).blocks

    assert whole == pieces


@pytest.mark.parametrize(
    ("item", "call"),
    [
        (
            {"type": "local_shell_call", "id": "lsh_1", "call_id": "c", "action": {"type": "exec", "command": ["ls"], "env": {}}},
            SaidCall(id="c", name="local_shell", json_text='{"command":["ls"]}', kind=ToolKind.LOCAL_SHELL),
        ),
        (
            {"type": "shell_call", "id": "sh_1", "call_id": "c", "action": {"commands": ["ls"]}},
            SaidCall(id="c", name="shell", json_text='{"commands":["ls"]}'),
        ),
        (
            {"type": "apply_patch_call", "id": "a_1", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
            SaidCall(id="c", name="apply_patch", json_text='{"type":"delete_file","path":"a"}'),
        ),
    ],
)
def test_calls_without_deltas_are_told_when_they_are_done(item: Event, call: SaidCall) -> None:
    begun = {key: value for key, value in item.items() if key not in ("action", "operation")}

    assert reply(added(0, **begun), done(0, **item), ended(item)).blocks == (call,)


def test_a_call_inside_a_namespace_has_the_clients_flat_name() -> None:
    item = function("{}", name="spawn", namespace="agents")

    (call,) = reply(done(0, **item), ended(), options=evolve(OPTIONS, asked={"tools": [AGENTS]})).blocks

    assert isinstance(call, SaidCall)
    assert call.name == "agents__spawn"


def test_a_name_that_was_changed_on_the_way_up_is_the_clients_again() -> None:
    (call,) = reply(done(0, **function("{}")), ended(), options=evolve(OPTIONS, tool_names={"X": "x y"})).blocks

    assert isinstance(call, SaidCall)
    assert call.name == "x y"


REASONING = {"type": "reasoning", "id": "rs_1"}
SUMMARY = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]


def test_a_summary_is_thinking_with_what_openai_encrypted_as_its_signature() -> None:
    pieces = [delta("reasoning_summary_text", "rs_1", 0, text, summary_index=n) for n, text in enumerate("ab")]

    told = reply(added(0, **REASONING), *pieces, done(0, **REASONING, summary=SUMMARY, encrypted_content="gAAA"), *TEXT, ended())

    assert told.blocks[0] == SaidThinking(text="a\n\nb", signature=openai_signature("gAAA"))


def test_a_summary_that_comes_whole_is_the_same() -> None:
    told = reply(done(0, **REASONING, summary=SUMMARY, encrypted_content="gAAA"), ended(message("x")))

    assert told.blocks[0] == SaidThinking(text="a\n\nb", signature=openai_signature("gAAA"))


def test_reasoning_without_a_word_is_hidden_thinking() -> None:
    told = reply(done(0, **REASONING, summary=[], encrypted_content="gAAA"), *TEXT, ended())

    assert told.blocks[0] == SaidThinking(redacted=openai_signature("gAAA"))


def test_reasoning_in_the_open_is_signed_as_ours() -> None:
    pieces = [delta("reasoning_text", "rs_1", 0, "h", content_index=0), delta("reasoning_text", "rs_1", 0, "m", content_index=0)]
    whole = done(0, **REASONING, summary=[], content=[{"type": "reasoning_text", "text": "hm"}])

    (thought, _) = reply(added(0, **REASONING), *pieces, whole, *TEXT, ended()).blocks

    assert isinstance(thought, SaidThinking)
    assert thought.text == "hm"
    assert is_router_signature(thought.signature)


def test_of_two_forms_of_one_reasoning_the_first_is_read() -> None:
    pieces = [
        delta("reasoning_text", "rs_1", 0, "long", content_index=0),
        delta("reasoning_summary_text", "rs_1", 0, "short", summary_index=0),
    ]

    assert [event for event in decoded([CREATED, *pieces, ended()]) if isinstance(event, ThinkingDelta)] == [
        ThinkingDelta("long")
    ]


def test_a_client_that_is_shown_no_thinking_gets_none_of_it() -> None:
    pieces = [delta("reasoning_summary_text", "rs_1", 0, "a", summary_index=0)]
    whole = done(0, **REASONING, summary=SUMMARY[:1], encrypted_content="gAAA")

    assert reply(added(0, **REASONING), *pieces, whole, *TEXT, ended(), options=evolve(OPTIONS, thinking="strip")).blocks == (
        SaidText(text="Hello"),
    )


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ended(message("x")), StopReason.END),
        (ended(message("x"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}), StopReason.LENGTH),
        (ended(message("x"), status="incomplete", incomplete_details={"reason": "content_filter"}), StopReason.CONTENT_FILTER),
        (ended(message("x"), status="incomplete"), StopReason.LENGTH),
        (ended(function("{}")), StopReason.TOOL_USE),
        (ended({"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}), StopReason.REFUSAL),
        ({"type": "response.completed", "response": {"output": [message("x")]}}, StopReason.END),
    ],
)
def test_the_last_event_says_why_the_model_stopped(event: Event, reason: StopReason) -> None:
    assert reply(event).reason is reason


def test_a_refusal_is_text_with_a_reason() -> None:
    told = reply(delta("refusal", "msg_1", 0, "no"), ended())

    assert (told.blocks, told.reason) == ((SaidText(text="no"),), StopReason.REFUSAL)


def test_usage_that_nobody_told_is_estimated() -> None:
    assert reply(*TEXT, ended(usage=None)).usage == Usage(output=2, estimated=True)


def test_what_hosted_tools_did_is_skipped_and_counted() -> None:
    decoder = ResponsesDecoder(OPTIONS, minting())
    search = {"type": "web_search_call", "id": "ws_1"}
    progress = {"type": "response.web_search_call.searching", "item_id": "ws_1", "output_index": 0}

    for event in (CREATED, added(0, **search), progress, done(0, **search), ended(search)):
        decoder.feed(frame(event))

    assert decoder.counts == {"hosted_items": 1}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}, FailureReason.RATE_LIMIT),
        ({"type": "error", "error": {"type": "server_error", "message": "x"}}, FailureReason.UPSTREAM_5XX),
        (ended(status="failed", error={"code": "server_error", "message": "x"}), FailureReason.UPSTREAM_5XX),
        (ended(status="failed", error={"code": "context_length_exceeded", "message": "x"}), FailureReason.CONTEXT_OVERFLOW),
        (ended(status="failed", error={"code": "insufficient_quota", "message": "x"}), FailureReason.PAYMENT_REQUIRED),
        (ended(status="failed"), FailureReason.UPSTREAM_5XX),
        (ended(status="cancelled"), FailureReason.UPSTREAM_5XX),
        ({"error": {"message": "boom", "code": 500}}, FailureReason.UPSTREAM_5XX),
    ],
)
def test_an_error_in_the_stream_is_a_failure_of_its_class(event: Event, reason: FailureReason) -> None:
    assert failure(CREATED, event).reason is reason


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], FailureReason.EMPTY_STREAM),
        ([b"[DONE]"], FailureReason.EMPTY_STREAM),
        ([CREATED], FailureReason.STREAM_TRUNCATED),
        ([CREATED, *TEXT], FailureReason.STREAM_TRUNCATED),
        ([CREATED, *TEXT, done(0, **message("Hello"))], FailureReason.STREAM_TRUNCATED),
        ([CREATED, *([b"{"] * 9)], FailureReason.BAD_RESPONSE),
        ([CREATED, done(0, **function("{}", name="")), ended()], FailureReason.BAD_RESPONSE),
    ],
)
def test_a_stream_that_does_not_come_to_its_end_is_a_failure(events: list[Event | bytes], reason: FailureReason) -> None:
    assert failure(*events).reason is reason


def test_bad_frames_between_good_ones_are_skipped() -> None:
    assert fold(decoded([CREATED, b"{", *TEXT, b"[DONE]", b"[1]", ended(), b"[DONE]", b"{"])).blocks == (SaidText(text="Hello"),)


def test_type_is_read_from_the_event_line_where_the_data_has_none() -> None:
    decoder = ResponsesDecoder(OPTIONS, minting())
    events = [CREATED, *TEXT, ended()]
    bare = [evolve(frame(event), data=frame({k: v for k, v in event.items() if k != "type"}).data) for event in events]

    told = [neutral for one in bare for neutral in decoder.feed(one)]

    assert fold(told).blocks == (SaidText(text="Hello"),)


def test_tools_of_any_shape_in_what_was_asked_do_no_harm() -> None:
    for tools in (
        None,
        5,
        "x",
        [5],
        [{"type": 5}],
        [{"type": "namespace", "name": "n", "tools": 5}],
        [PATCH, {"type": "custom"}],
    ):
        assert (
            reply(done(0, **function("{}")), ended(), options=evolve(OPTIONS, asked={"tools": tools})).reason
            is StopReason.TOOL_USE
        )
