"""What Codex CLI and the OpenAI SDKs ask of /v1/responses beside the grammar of its stream."""

from __future__ import annotations

from tests.conformance import sources
from tests.conformance.bench import Bench, NotApplicable, check, expect, taken
from tests.conformance.checks_errors import envelope
from tests.conformance.dialects import RESPONSES, SCHEMA
from tests.conformance.http import Ask
from tests.conformance.shape import Json, at, entries, short, text

WEBSOCKET_S = 0.25  # on a local line; a slow refusal costs Codex 5 to 8 s at the start of a session
_UPGRADE = (
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "Y29uZm9ybWFuY2VzdWl0ZQ=="),
)
_GRAMMAR = 'start: "*** Begin Patch" LF hunk+ "*** End Patch" LF?'


def codex_turn(bench: Bench, prompt: str) -> Json:
    """Return a first turn in the shape that Codex sends, in small."""
    function = {"type": "function", "name": "exec_command", "description": "Runs.", "strict": False, "parameters": SCHEMA}
    namespace = {"type": "namespace", "name": "multi", "description": "More.", "tools": [function | {"name": "look_up"}]}
    custom = {
        "type": "custom",
        "name": "apply_patch",
        "description": "Edits files.",
        "format": {"type": "grammar", "syntax": "lark", "definition": _GRAMMAR},
    }
    return {
        "model": bench.model,
        "input": [
            _message("developer", "You are a coding agent. Be brief."),
            _message("user", "<environment_context>\n</environment_context>"),
            _message("user", prompt),
        ],
        "tools": [function, namespace, custom, {"type": "web_search"}],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "00000000-0000-7000-8000-000000000001",
        "client_metadata": {"x-codex-installation-id": "00000000-0000-4000-8000-000000000002"},
        "max_output_tokens": 16,  # Codex sends none; a test need not wait for an essay
    }


def _message(role: str, prompt: str) -> Json:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": prompt}]}


async def _takes(bench: Bench, body: Json) -> None:
    await bench.accepted(RESPONSES, bench.turn(), body)


@check(
    "responses.codex-turn",
    "A turn as Codex sends it, with developer input and all four kinds of tools, is answered.",
    source=sources.SEEN_CODEX,
)
async def turn(bench: Bench) -> None:
    await _takes(bench, codex_turn(bench, "Say hello."))


@check("responses.takes.string-input", "input as a string, with instructions, is taken.", source=sources.OPENAI_RESPONSES)
async def string_input(bench: Bench) -> None:
    await _takes(bench, {"input": "Say hello.", "instructions": "Be brief."})


@check(
    "responses.takes.tool-history",
    "function_call and function_call_output items in the input are taken.",
    source=sources.OPENAI_RESPONSES,
)
async def tool_history(bench: Bench) -> None:
    body = codex_turn(bench, "How is the weather in Paris?")
    call = {"type": "function_call", "call_id": "call_conformance1", "name": "exec_command", "arguments": '{"city":"Paris"}'}
    await _takes(bench, body | {"input": [*body["input"], call, _output("function_call_output")]})


@check(
    "responses.takes.custom-history",
    "custom_tool_call and custom_tool_call_output items in the input are taken.",
    source=sources.SEEN_CODEX,
)
async def custom_history(bench: Bench) -> None:
    body = codex_turn(bench, "Add a file.")
    call = {"type": "custom_tool_call", "call_id": "call_conformance1", "name": "apply_patch", "input": "*** Begin Patch"}
    await _takes(bench, body | {"input": [*body["input"], call, _output("custom_tool_call_output")]})


@check(
    "responses.takes.foreign-reasoning",
    "A reasoning item with another provider's encrypted_content in the input is no error.",
    source=sources.SEEN_CODEX,
)
async def foreign_reasoning(bench: Bench) -> None:
    body = codex_turn(bench, "Say hello.")
    thought = {"type": "reasoning", "id": "rs_conformance1", "summary": [], "encrypted_content": "gAAAAABconformance"}
    reply = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}
    await _takes(bench, body | {"input": [*body["input"], thought, reply, _message("user", "Again.")]})


def _output(kind: str) -> Json:
    return {"type": kind, "call_id": "call_conformance1", "output": "done"}


@check(
    "responses.previous-response-refused",
    "An unknown previous_response_id is refused in the envelope, not answered as if there were no history.",
    source=sources.OPENAI_RESPONSES,
)
async def previous_response(bench: Bench) -> None:
    turn = bench.turn(is_stream=False)
    answer = await bench.ask(RESPONSES, turn, {"previous_response_id": "resp_conformance_unknown"})
    envelope(RESPONSES, answer, 400, 404)
    seen = short(answer.body.decode("utf-8", "replace"))
    expect("previous_response" in seen, f"the field is not named: {seen}")


@check("responses.stored-unknown", "GET of an unknown response gets 404 in the envelope.", source=sources.OPENAI_RESPONSES)
async def stored(bench: Bench) -> None:
    await bench.spoken(RESPONSES, is_stream=False)  # else a 404 says nothing
    path = "/v1/responses/resp_conformance_unknown"
    envelope(RESPONSES, await bench.fetch(Ask(method="GET", path=path, headers=RESPONSES.headers(bench.key))), 404)


@check(
    "responses.websocket-refused-fast",
    f"A WebSocket upgrade gets 426 within {WEBSOCKET_S:g} s, or is accepted: anything else delays each session of Codex.",
    source=sources.CODEX_WEBSOCKET,
)
async def websocket(bench: Bench) -> None:
    key = RESPONSES.headers(bench.key)[1:]
    answer = await bench.fetch(Ask(method="GET", path="/v1/responses", headers=(*key, *_UPGRADE)))
    if answer.status == 101:
        raise NotApplicable("the server speaks WebSocket")
    expect(answer.status == 426, f"status {answer.status}")
    expect(answer.head_after_s < WEBSOCKET_S, f"after {answer.head_after_s:.2f} s")


@check(
    "responses.text-has-annotations-and-logprobs",
    "output_text parts have annotations, and text deltas logprobs, as lists: the SDK's stream helper reads both.",
    source=sources.OPENAI_RESPONSES_STREAM,
)
async def lists_of_text(bench: Bench) -> None:
    answer = await bench.spoken(RESPONSES, is_stream=True)
    events = [frame.json() for frame in RESPONSES.read_frames(answer.body).frames]
    deltas = [event for event in events if text(event, "type") == "response.output_text.delta"]
    expect(all(isinstance(at(event, "logprobs"), list) for event in deltas), f"a delta without logprobs: {short(deltas[:1])}")
    items = entries(events[-1] if events else None, "response", "output")
    parts = [part for item in items if text(item, "type") == "message" for part in entries(item, "content")]
    bare = [part for part in parts if text(part, "type") == "output_text" and not isinstance(at(part, "annotations"), list)]
    expect(parts and not bare, f"a part without annotations: {short(bare[:1])}" if bare else "no text part at all")


@check(
    "responses.codex-turn-json",
    "The same request without stream is answered as one response object.",
    source=sources.OPENAI_RESPONSES,
)
async def turn_json(bench: Bench) -> None:
    answer = await bench.ask(RESPONSES, bench.turn(is_stream=False), codex_turn(bench, "Say hello.") | {"stream": False})
    taken(RESPONSES, answer, is_stream=False)
