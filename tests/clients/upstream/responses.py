"""OpenAI's Responses. Source: platform.openai.com, API reference, Responses and their streaming events."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from tests.clients.upstream.script import SCRIPT_KEY, Asked, Call, Result, Say, Tool
from tests.clients.upstream.speaker import (
    CREATED_AT,
    INPUT_TOKENS,
    Json,
    Speaker,
    argument_pieces,
    dicts,
    output_tokens,
    schema_in,
    sse,
    text_in,
)
from tests.fakes.pieces import Piece

CALL_ID = "call_Scripted0001"
ITEM_IDS = {"message": "msg_scripted", "function_call": "fc_scripted", "custom_tool_call": "ctc_scripted"}
CALLS = ("function_call", "custom_tool_call")
OUTPUTS = ("function_call_output", "custom_tool_call_output")


def read(body: Json, target: str) -> Asked:
    """Return what a Responses request says. Newer builds of Codex declare their tools in an item of the input."""
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else dicts(given)
    declared = dicts(body.get("tools"))
    declared += [tool for item in items if item.get("type") == "additional_tools" for tool in dicts(item.get("tools"))]
    calls = [item for item in items if item.get("type") in CALLS]
    return Asked(
        model=str(body.get("model")),
        stream=bool(body.get("stream")),
        texts=tuple(text_in(item.get("content")) for item in items if item.get("role") == "user"),
        tools=tuple(_tools(declared)),
        call_ids=tuple(str(item.get("call_id")) for item in calls),
        results=tuple(
            Result(call_id=str(item.get("call_id")), text=text_in(item.get("output")))
            for item in items
            if item.get("type") in OUTPUTS
        ),
        schema=schema_in((body.get("text") or {}).get("format"), "schema"),
        problem=_problem(body, items, calls),
    )


def _tools(declared: list[Json], namespace: str = "") -> Iterator[Tool]:
    for tool in declared:
        match tool.get("type"):
            case "function":
                properties = (tool.get("parameters") or {}).get("properties", {})
                yield Tool(name=tool["name"], properties=properties, namespace=namespace)
            case "custom":
                yield Tool(name=tool["name"], properties={SCRIPT_KEY: {}}, is_freeform=True, namespace=namespace)
            case "namespace":
                yield from _tools(dicts(tool.get("tools")), tool["name"])


def _problem(body: Json, items: list[Json], calls: list[Json]) -> str:
    if not items:
        return "Missing required parameter: 'input'."
    if body.get("previous_response_id"):
        return f"Previous response with id '{body['previous_response_id']}' not found."
    if any(not isinstance(call.get("arguments", call.get("input")), str) for call in calls):
        return "Invalid type for 'input[].arguments': expected a string."
    for number, item in enumerate(items):
        kinds = {part.get("type") for part in dicts(item.get("content"))}
        if item.get("role") == "assistant" and "input_text" in kinds:
            return f"Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'. (input[{number}].content)"
        if item.get("role") == "user" and "output_text" in kinds:
            return (
                f"Invalid value: 'output_text'. Supported values are: 'input_text', 'input_image' ... (input[{number}].content)"
            )
    answered = {item.get("call_id") for item in items if item.get("type") in OUTPUTS}
    missing = [str(call.get("call_id")) for call in calls if call.get("call_id") not in answered]
    return f"No tool output found for function call {missing[0]}." if missing else ""


def stream(move: Say | Call, asked: Asked) -> list[Piece]:
    """Return the events of an answer, numbered."""
    item = _item(move)
    place: Json = {"item_id": item["id"], "output_index": 0}
    opening = {key: type(item[key])() for key in ("content", "arguments", "input") if key in item}  # the same, yet empty
    steps: list[Json] = [
        {"type": "response.created", "response": _response(move, asked, is_done=False)},
        {"type": "response.in_progress", "response": _response(move, asked, is_done=False)},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"status": "in_progress"} | opening},
        *(_text_steps(move, place) if isinstance(move, Say) else _call_steps(move, place)),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": _response(move, asked, is_done=True)},
    ]
    return [_event(step, number) for number, step in zip(count(), steps, strict=False)]


def whole(move: Say | Call, asked: Asked) -> Json:
    """Return an answer in one piece."""
    return _response(move, asked, is_done=True)


def refusal(reason: str) -> Json:
    """Return the body of a 400."""
    return {"error": {"message": reason, "type": "invalid_request_error", "param": "input", "code": None}}


def _text_steps(move: Say, place: Json) -> list[Json]:
    here = place | {"content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    return [
        {"type": "response.content_part.added", **here, "part": part},
        *({"type": "response.output_text.delta", **here, "delta": text, "logprobs": []} for text in move.pieces),
        {"type": "response.output_text.done", **here, "text": move.text, "logprobs": []},
        {"type": "response.content_part.done", **here, "part": part | {"text": move.text}},
    ]


def _call_steps(move: Call, place: Json) -> list[Json]:
    if move.tool.is_freeform:
        text = move.arguments[SCRIPT_KEY]
        return [
            {"type": "response.custom_tool_call_input.delta", **place, "delta": text},
            {"type": "response.custom_tool_call_input.done", **place, "input": text},
        ]
    texts = argument_pieces(move)
    return [
        *({"type": "response.function_call_arguments.delta", **place, "delta": text} for text in texts),
        {"type": "response.function_call_arguments.done", **place, "name": move.name, "arguments": "".join(texts)},
    ]


def _event(step: Json, number: int) -> Piece:
    kind = str(step["type"])
    is_delta = kind.endswith(".delta")
    is_closing = kind.endswith((".done", ".completed"))
    return sse(step | {"sequence_number": number}, event=kind, is_delta=is_delta, is_closing=is_closing)


def _item(move: Say | Call) -> Json:
    if isinstance(move, Say):
        part = {"type": "output_text", "text": move.text, "annotations": [], "logprobs": []}
        rest: Json = {"type": "message", "role": "assistant", "content": [part]}
    elif move.tool.is_freeform:
        rest = {"type": "custom_tool_call", "input": move.arguments[SCRIPT_KEY]}
    else:
        rest = {"type": "function_call", "arguments": "".join(argument_pieces(move))}
    if isinstance(move, Call):
        rest |= {"call_id": CALL_ID, "name": move.name}
        rest |= {"namespace": move.tool.namespace} if move.tool.namespace else {}
    return {"id": ITEM_IDS[rest["type"]], "status": "completed", **rest}


def _response(move: Say | Call, asked: Asked, *, is_done: bool) -> Json:
    tokens = output_tokens(move)
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + tokens,
    }
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": CREATED_AT,
        "status": "completed" if is_done else "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": asked.model,
        "output": [_item(move)] if is_done else [],
        "parallel_tool_calls": True,
        "store": False,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if is_done else None,
        "metadata": {},
    }


SPEAKER = Speaker(
    kind="openai_responses",
    is_route=lambda path: path == "/v1/responses",
    read=read,
    stream=stream,
    whole=whole,
    refusal=refusal,
    base_path="/v1",
    facts={"/v1/models": {"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "script"}]}},
)
