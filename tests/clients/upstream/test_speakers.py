"""The five APIs: what real clients have sent is understood, and what is answered is what the vendors' SDKs can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.upstream import chat, gemini, messages, ollama, responses
from tests.clients.upstream.script import Asked, Call, Refuse, Say, Tool, next_move, note_with, prompt_for, sentence_with
from tests.clients.upstream.server import KINDS, SPEAKERS
from tests.clients.upstream.speaker import Speaker

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"
PATH = "/home/dev/note.txt"
SCHEMA = {"type": "object", "properties": {"file_path": {"type": "string"}}}
GEMINI_TARGET = "/v1beta/models/m:streamGenerateContent?alt=sse"
FUNCTION = {"name": "Read", "parameters": SCHEMA}
ARGUMENTS = {"file_path": PATH}
Json = dict[str, Any]


def first_request(kind: str) -> Json:
    """Return the question, in the API of that kind."""
    text = prompt_for(PATH)
    match kind:
        case "anthropic":
            tools = [{"name": "Read", "input_schema": SCHEMA}]
            return {
                "model": "m",
                "max_tokens": 9,
                "stream": True,
                "tools": tools,
                "messages": [{"role": "user", "content": text}],
            }
        case "openai_responses":
            return {"model": "m", "stream": True, "tools": [{"type": "function", **FUNCTION}], "input": text}
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": text}]}]
            return {"contents": contents, "tools": [{"functionDeclarations": [FUNCTION]}]}
    functions = [{"type": "function", "function": FUNCTION}]
    return {"model": "m", "stream": True, "tools": functions, "messages": [{"role": "user", "content": text}]}


def second_request(kind: str) -> Json:
    """Return the same with the call and its result."""
    first, result = first_request(kind), note_with("swordfish")
    call: Json
    given: Json
    match kind:
        case "anthropic":
            call = {"type": "tool_use", "id": messages.CALL_ID, "name": "Read", "input": ARGUMENTS}
            given = {"type": "tool_result", "tool_use_id": messages.CALL_ID, "content": [{"type": "text", "text": result}]}
            first["messages"] += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [given]}]
        case "openai_responses":
            name = {"call_id": responses.CALL_ID, "name": "Read"}
            first["input"] = [
                {"role": "user", "content": [{"type": "input_text", "text": first["input"]}]},
                {"type": "function_call", **name, "arguments": json.dumps(ARGUMENTS)},
                {"type": "function_call_output", "call_id": responses.CALL_ID, "output": result},
            ]
        case "gemini":
            call = {"functionCall": {"name": "Read", "args": ARGUMENTS}, "thoughtSignature": gemini.SIGNATURE}
            given = {"functionResponse": {"name": "Read", "response": {"output": result}}}
            first["contents"] += [{"role": "model", "parts": [call]}, {"role": "user", "parts": [given]}]
        case "ollama":
            call = {"function": {"name": "Read", "arguments": ARGUMENTS}}
            given = {"role": "tool", "tool_name": "Read", "content": result}
            first["messages"] += [{"role": "assistant", "content": "", "tool_calls": [call]}, given]
        case _:
            function = {"name": "Read", "arguments": json.dumps(ARGUMENTS)}
            call = {"id": chat.CALL_ID, "type": "function", "function": function}
            given = {"role": "tool", "tool_call_id": chat.CALL_ID, "content": result}
            first["messages"] += [{"role": "assistant", "content": None, "tool_calls": [call]}, given]
    return first


@pytest.mark.parametrize(
    ("name", "speaker", "reader"),
    [
        ("claude_code", messages.SPEAKER, "Read"),
        ("codex", responses.SPEAKER, "exec_command"),
        ("gemini_cli", gemini.SPEAKER, "read_file"),
    ],
)
def test_a_captured_request_of_a_real_client_is_understood(name: str, speaker: Speaker, reader: str) -> None:
    (sent,) = json.loads((CAPTURES / f"{name}_tool_result.json").read_text())["requests"]

    asked = speaker.read(sent["body"], sent["path"])

    assert speaker.is_route(sent["path"].partition("?")[0])
    assert asked.stream
    assert reader in {tool.name for tool in asked.tools}
    move = next_move(asked)
    assert isinstance(move, Say)
    assert move.text == sentence_with("swordfish")


@pytest.mark.parametrize("kind", KINDS)
def test_the_question_is_answered_by_a_call(kind: str) -> None:
    asked = SPEAKERS[kind].read(first_request(kind), GEMINI_TARGET)

    move = next_move(asked)

    assert isinstance(move, Call)
    assert (move.name, move.arguments) == ("Read", ARGUMENTS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_is_answered_by_the_sentence(kind: str) -> None:
    move = next_move(SPEAKERS[kind].read(second_request(kind), GEMINI_TARGET))

    assert isinstance(move, Say)
    assert move.text == sentence_with("swordfish")


@pytest.mark.parametrize(
    ("kind", "broken", "word"),
    [
        ("anthropic", {"max_tokens": None}, "max_tokens"),
        ("anthropic", {"messages": second_request("anthropic")["messages"][:2]}, "without `tool_result`"),
        ("openai_compat", {"messages": [{"role": "robot", "content": "x"}]}, "robot"),
        ("openai_responses", {"input": second_request("openai_responses")["input"][:2]}, "No tool output found"),
        ("openai_responses", {"previous_response_id": "resp_1"}, "not found"),
        ("gemini", {"contents": second_request("gemini")["contents"][:2]}, "number of function response parts"),
        ("ollama", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "cannot unmarshal array"),
    ],
)
def test_what_the_vendor_refuses_is_refused_in_its_words(kind: str, broken: Json, word: str) -> None:
    move = next_move(SPEAKERS[kind].read(second_request(kind) | broken, GEMINI_TARGET))

    assert isinstance(move, Refuse)
    assert word in move.reason


def test_gemini_refuses_a_call_that_has_lost_its_signature() -> None:
    request = second_request("gemini")
    del request["contents"][1]["parts"][0]["thoughtSignature"]

    move = next_move(gemini.SPEAKER.read(request, GEMINI_TARGET))

    assert isinstance(move, Refuse)
    assert "thought_signature" in move.reason


def test_codex_declares_its_newest_tools_in_an_item_of_the_input() -> None:
    tools = [{"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]}]
    request = {
        "model": "m",
        "input": [{"type": "additional_tools", "tools": tools}, {"role": "user", "content": prompt_for(PATH)}],
    }

    move = next_move(responses.SPEAKER.read(request, ""))

    assert isinstance(move, Call)
    (added, delta, done) = [json.loads(piece.data.split(b"data: ")[1]) for piece in responses.stream(move, asked_of("m"))[2:5]]
    assert added["item"] | {"id": ""} == {
        "id": "",
        "type": "custom_tool_call",
        "status": "in_progress",
        "call_id": responses.CALL_ID,
        "name": "exec",
        "namespace": "functions",
        "input": "",
    }
    assert delta["delta"] == done["input"] == move.arguments["input"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "move", [Say(pieces=("One", " two.")), Call(tool=Tool(name="Read"), arguments=ARGUMENTS)], ids=["say", "call"]
)
def test_an_answer_has_deltas_and_then_closes(kind: str, move: Say | Call) -> None:
    pieces = SPEAKERS[kind].stream(move, asked_of("m"))

    deltas = [number for number, piece in enumerate(pieces) if piece.is_delta]
    closing = [number for number, piece in enumerate(pieces) if piece.is_closing]
    assert deltas
    assert max(deltas) < min(closing) < len(pieces)
    assert ollama.SPEAKER.kind != kind or all(json.loads(piece.data) for piece in pieces)


def asked_of(model: str) -> Asked:
    """Return a request of which only the model counts."""
    return Asked(model=model, stream=True)
