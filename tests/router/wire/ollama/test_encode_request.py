"""Any client's request as Ollama reads it, and what it cannot be told (wire.md 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from router.domain.messages import (
    Block,
    ChoiceMode,
    Document,
    Image,
    Message,
    Opaque,
    Role,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    VendorTool,
)
from router.domain.request import DialectName, NeutralRequest, OutputSchema, ThinkingMode
from router.wire.anthropic.request import encode_request as to_messages
from router.wire.body_edits import DictEditor
from router.wire.dialect import EncodedRequest, UpstreamTarget
from router.wire.ollama.body import append_system, finish_body, probe_body
from router.wire.ollama.request import check_request, decode_request, encode_request
from router.wire.openai_chat.request import decode_request as from_chat
from router.wire.openai_chat.request import encode_request as to_chat

CHAT, ANTHROPIC, OLLAMA = DialectName.OPENAI_CHAT, DialectName.ANTHROPIC, DialectName.OLLAMA
PNG = Image(media_type="image/png", data="QUJD")
HI = [{"role": "user", "content": "hi"}]
TOOLS = (Tool(name="A"), Tool(name="B"))


def user(*blocks: Block) -> Message:
    return Message(role=Role.USER, content=blocks)


def assistant(*blocks: Block) -> Message:
    return Message(role=Role.ASSISTANT, content=blocks)


def encoded(*messages: Message, target: Mapping[str, object] | None = None, **fields: object) -> EncodedRequest:
    told: dict[str, Any] = {"dialect": CHAT, "messages": messages or (user(Text("hi")),), **fields}
    provider: dict[str, Any] = {"model": "q", **(target or {})}
    return encode_request(NeutralRequest(**told), UpstreamTarget(**provider))


def body_of(*messages: Message, target: Mapping[str, object] | None = None, **fields: object) -> dict[str, Any]:
    return encoded(*messages, target=target, **fields).body


def notes_of(told: EncodedRequest) -> list[tuple[str, str]]:
    return [(note.path, note.kind) for note in told.notes]


def test_the_smallest_request() -> None:
    assert body_of() == {"model": "q", "messages": [{"role": "user", "content": "hi"}], "stream": False}


def test_limits_and_sampling_are_options() -> None:
    body = body_of(max_tokens=9, temperature=1.5, top_p=0.5, stop=("a", " ", "b", "c", "d", "e"), stream=True)

    assert body["options"] == {"num_predict": 9, "temperature": 1.5, "top_p": 0.5, "stop": ["a", "b", "c", "d", "e"]}
    assert body["stream"] is True


def test_sampling_that_chat_has_at_its_top_is_an_option_here() -> None:
    told = encoded(extras={"seed": 5, "top_k": 3, "presence_penalty": 0.5, "min_p": "x", "logprobs": True})

    assert told.body["options"] == {"seed": 5, "top_k": 3, "presence_penalty": 0.5}
    assert notes_of(told) == [("min_p", "field"), ("logprobs", "field")]


def test_a_client_that_must_set_a_limit_and_did_not_gets_the_providers() -> None:
    told = encoded(dialect=ANTHROPIC, target={"default_max_tokens": 77})

    assert told.body["options"] == {"num_predict": 77}
    assert [str(note) for note in told.notes] == ["max_tokens: absent, 77 sent"]


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ((Text("a"), PNG), [("a", 1)]),
        ((PNG, Text("a")), [("a", 1)]),
        ((PNG,), [("", 1)]),
        ((Text("a"), Text("b"), PNG, PNG, Text("c"), PNG), [("a\nb", 2), ("c", 1)]),
        ((PNG, Text("a"), PNG, Text("b"), Text("c")), [("a", 1), ("b\nc", 1)]),
    ],
)
def test_images_stand_beside_the_text_next_to_them(blocks: tuple[Block, ...], said: list[tuple[str, int]]) -> None:
    messages = body_of(user(*blocks))["messages"]

    assert [(message["content"], len(message.get("images", []))) for message in messages] == said
    assert {message["role"] for message in messages} == {"user"}


@pytest.mark.parametrize(
    ("block", "target", "words", "kind"),
    [
        (PNG, {"vision": False}, "[image/png image omitted: this model has no vision]", "image"),
        (Image(url="https://h/a.png"), {}, "[image omitted: not supported by this model]", "image"),
        (Image(), {}, "[image omitted: it was stored with another vendor]", "image"),
        (
            Document(media_type="application/pdf", data="JVBE"),
            {"files": True},
            "[application/pdf document omitted: not supported by this model]",
            "document",
        ),
        (Opaque(dialect=CHAT, kind="input_audio", raw={}, text="[audio]", loss="audio"), {}, "[audio]", "audio"),
    ],
)
def test_what_cannot_be_shown_is_said_in_words(block: Block, target: dict[str, Any], words: str, kind: str) -> None:
    told = encoded(user(block), target=target)

    assert told.body["messages"] == [{"role": "user", "content": words}]
    assert [note.kind for note in told.notes] == [kind]


def test_results_follow_the_calls_order_and_name_their_tools() -> None:
    turn = assistant(Text("so"), ToolUse(id="1", name="A", input={"x": 1}), ToolUse(id="2", name="B"))
    answers = user(ToolResult(call_id="2", content=(Text("b"),)), ToolResult(call_id="1", content=(Text("a"),), is_error=True))

    messages = body_of(user(Text("hi")), turn, answers, target={"empty_result_text": "-"})["messages"]

    assert messages[1] == {
        "role": "assistant",
        "content": "so",
        "tool_calls": [
            {"id": "1", "function": {"name": "A", "arguments": {"x": 1}}},
            {"id": "2", "function": {"name": "B", "arguments": {}}},
        ],
    }
    assert messages[2:] == [
        {"role": "tool", "content": "Error: a", "tool_name": "A", "tool_call_id": "1"},
        {"role": "tool", "content": "b", "tool_name": "B", "tool_call_id": "2"},
    ]


def test_an_empty_result_may_have_words() -> None:
    messages = (user(Text("hi")), assistant(ToolUse(id="1", name="A")), user(ToolResult(call_id="1")))

    assert body_of(*messages, target={"empty_result_text": "(no output)"})["messages"][2]["content"] == "(no output)"


def test_an_image_of_a_result_follows_in_a_users_message() -> None:
    result = ToolResult(call_id="1", content=(Text("seen"), PNG))

    messages = body_of(user(Text("hi")), assistant(ToolUse(id="1", name="A")), user(result, Text("and?")))["messages"]

    assert messages[2]["content"] == "seen\n[image/png image, see next message]"
    assert messages[3:] == [
        {"role": "user", "content": "Image from tool result 1:", "images": ["QUJD"]},
        {"role": "user", "content": "and?"},
    ]


def test_a_name_that_cannot_be_sent_is_changed_everywhere_and_told() -> None:
    messages = (user(Text("hi")), assistant(ToolUse(id="1", name="a/b")), user(ToolResult(call_id="1")))

    told = encoded(*messages, tools=(Tool(name="a/b"),))

    (sent,) = told.tool_names or {}
    assert told.tool_names == {sent: "a/b"}
    assert told.body["tools"][0]["function"]["name"] == sent
    assert told.body["messages"][1]["tool_calls"][0]["function"]["name"] == sent
    assert told.body["messages"][2]["tool_name"] == sent


@pytest.mark.parametrize(
    ("choice", "names", "notes"),
    [
        (ToolChoice(), ["A", "B"], []),
        (ToolChoice(mode=ChoiceMode.NONE), [], []),
        (ToolChoice(mode=ChoiceMode.REQUIRED), ["A", "B"], [("tool_choice", "tool")]),
        (ToolChoice(mode=ChoiceMode.NAMED, name="B"), ["B"], [("tool_choice", "tool")]),
        (ToolChoice(mode=ChoiceMode.NAMED, name="C"), ["A", "B"], [("tool_choice", "tool")]),
    ],
)
def test_a_choice_among_tools_is_made_by_what_is_offered(
    choice: ToolChoice, names: list[str], notes: list[tuple[str, str]]
) -> None:
    told = encoded(tools=TOOLS, tool_choice=choice)

    assert [tool["function"]["name"] for tool in told.body.get("tools", [])] == names
    assert notes_of(told) == notes


def test_one_call_at_a_time_cannot_be_asked_for() -> None:
    assert notes_of(encoded(tools=TOOLS, parallel_tools=False)) == [("parallel_tool_calls", "field")]


def test_a_tool_of_another_vendor_is_left_out_and_one_of_its_own_passes() -> None:
    tools = tuple(
        VendorTool(dialect=dialect, kind="x", name="", raw={"type": "x"}, is_server_tool=True) for dialect in (ANTHROPIC, OLLAMA)
    )

    told = encoded(tools=tools)

    assert told.body["tools"] == [{"type": "x"}]
    assert [note.kind for note in told.notes] == ["server-tool"]


def test_a_schema_is_fitted_to_the_provider() -> None:
    tool = Tool(name="A", schema={"$schema": "s", "properties": {"a": {"pattern": "x", "type": "string"}}}, path="tools[0]")

    told = encoded(tools=(tool,), target={"schema_profile": "llama_cpp"})

    assert told.body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {"a": {"type": "string"}}}
    assert [str(note) for note in told.notes] == ["tools[0]: schema keys pattern removed"]


@pytest.mark.parametrize(
    ("fields", "takes", "think"),
    [
        ({}, True, None),
        ({"thinking": ThinkingMode.DISABLED}, False, False),
        ({"reasoning_effort": "none"}, False, False),
        ({"reasoning_effort": "minimal"}, False, False),
        ({"thinking": ThinkingMode.ADAPTIVE}, False, True),
        ({"thinking": ThinkingMode.ADAPTIVE}, True, True),
        ({"reasoning_effort": "odd"}, ("low", "high"), None),
        ({"thinking": ThinkingMode.ENABLED}, ("low", "medium", "high"), "medium"),
        ({"thinking": ThinkingMode.ENABLED, "thinking_budget": 30_000}, ("low", "medium", "high"), "high"),
        ({"reasoning_effort": "xhigh"}, ("low", "medium", "high"), "high"),
        ({"reasoning_effort": "high"}, True, True),
    ],
)
def test_reasoning_is_asked_for_by_a_level_where_the_provider_lists_some(
    fields: dict[str, Any], *, takes: bool | tuple[str, ...], think: bool | str | None
) -> None:
    told = encoded(target={"reasoning_effort": takes}, **fields)

    assert told.body.get("think") == think
    is_lost = bool(fields) and think is None
    assert [note.kind for note in told.notes] == (["thinking"] if is_lost else [])


def test_reasoning_of_earlier_turns_goes_back_only_where_it_is_echoed() -> None:
    messages = (user(Text("hi")), assistant(Thinking(text="hm"), Text("a")), user(Text("b")))

    assert "thinking" not in body_of(*messages)["messages"][1]
    assert body_of(*messages, target={"reasoning": "echo"})["messages"][1]["thinking"] == "hm"


def test_the_clients_billing_line_is_taken_out_unless_it_is_to_stay() -> None:
    system = ("x-anthropic-billing-header: cch=1", "be brief")

    assert body_of(system=system)["messages"][0] == {"role": "system", "content": "be brief"}
    assert "cch" in body_of(system=system, target={"keep_attribution": True})["messages"][0]["content"]


@pytest.mark.parametrize(("schema", "wanted"), [({}, "json"), ({"type": "object"}, {"type": "object"})])
def test_a_schema_of_the_answer_is_its_format(schema: dict[str, Any], wanted: object) -> None:
    assert body_of(output_schema=OutputSchema(schema=schema))["format"] == wanted


def test_json_of_any_shape_goes_both_ways_between_chat_and_ollama() -> None:
    hi = {"messages": HI}
    asked = from_chat(hi | {"response_format": {"type": "json_object"}})
    back = decode_request(hi | {"format": "json"})

    assert encode_request(asked, UpstreamTarget(model="q")).body["format"] == "json"
    assert to_chat(back, UpstreamTarget(model="c")).body["response_format"] == {"type": "json_object"}


def test_json_of_any_shape_is_named_where_it_cannot_be_asked_for() -> None:
    told = to_messages(
        decode_request({"messages": [{"role": "user", "content": "hi"}], "format": "json"}), UpstreamTarget(model="a")
    )

    assert "output_config" not in told.body
    assert [str(note) for note in told.notes] == ["format"]


def test_what_only_ollama_knows_stays_with_ollama() -> None:
    options = {"num_ctx": 8192, "num_predict": -1, "seed": 3, "top_k": 4}
    request = decode_request({"messages": HI, "keep_alive": 0, "think": "low", "options": options})

    same, chat = encode_request(request, UpstreamTarget(model="q")), to_chat(request, UpstreamTarget(model="c"))

    assert (same.body["options"], same.body["keep_alive"], same.body["think"]) == (options, 0, "low")
    assert same.notes == ()
    assert {note.path for note in chat.notes} == {"options", "options.seed", "options.top_k", "keep_alive", "think"}


def test_other_vendors_fields_are_named() -> None:
    assert notes_of(encoded(user=None, extras={"service_tier": "auto"})) == [("service_tier", "field")]


def test_a_users_id_is_not_sent() -> None:
    assert notes_of(encode_request(NeutralRequest(dialect=ANTHROPIC, max_tokens=1, user="u"), UpstreamTarget(model="q"))) == [
        ("metadata", "field")
    ]


@pytest.mark.parametrize("stream", [True, False])
def test_every_body_says_whether_its_answer_streams(*, stream: bool) -> None:
    body: dict[str, Any] = {"messages": []}

    finish_body(DictEditor(body), model="q", stream=stream)

    assert body == {"messages": [], "model": "q", "stream": stream}


@pytest.mark.parametrize(
    ("head", "expected"),
    [([], "more"), ([{"role": "system", "content": "first"}], "first\nmore"), ([{"role": "system", "content": None}], "more")],
)
def test_an_instruction_is_added_behind_the_clients(head: list[dict[str, Any]], expected: str) -> None:
    body = {"messages": [*head, {"role": "user", "content": "hi"}]}

    append_system(DictEditor(body), "more")

    assert [message["content"] for message in body["messages"]] == [expected, "hi"]


def test_the_smallest_probe_is_a_body_of_the_dialect() -> None:
    body = probe_body("q", stream=True)

    check_request(body)
    assert body["options"] == {"num_predict": 1}
