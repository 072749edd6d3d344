"""Requests that every client of Messages, chat and the model lists may send, and must get an answer to."""

from __future__ import annotations

from tests.conformance import sources
from tests.conformance.bench import OK, Bench, Failed, check, expect, succeeded, taken
from tests.conformance.checks_errors import envelope
from tests.conformance.dialects import CHAT, MESSAGES, Turn
from tests.conformance.http import Ask, End, NoAnswer, open_live
from tests.conformance.shape import Json, at, count, entries, short, text

HISTORY_MESSAGES: list[Json] = [
    {"role": "user", "content": "How is the weather in Paris?"},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "I look it up."},
            {"type": "tool_use", "id": "toolu_conformance1", "name": "look_up", "input": {"city": "Paris"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_conformance1", "content": [{"type": "text", "text": "sunny"}]},
            {"type": "text", "text": "And in one word?"},
        ],
    },
]
_CALL: Json = {"id": "call_conformance1", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Paris"}'}}
HISTORY_CHAT: list[Json] = [
    {"role": "user", "content": "How is the weather in Paris?"},
    {"role": "assistant", "content": None, "tool_calls": [_CALL]},
    {"role": "tool", "tool_call_id": "call_conformance1", "content": "sunny"},
]


def _with_tools(bench: Bench) -> Turn:
    return Turn(prompt="", model=bench.model, has_tools=True)


@check("messages.takes.tool-history", "A history with tool_use and tool_result is taken.", source=sources.ANTHROPIC_MESSAGES)
async def tool_history(bench: Bench) -> None:
    await bench.accepted(MESSAGES, _with_tools(bench), {"messages": HISTORY_MESSAGES})


@check(
    "messages.takes.system-blocks",
    "system as a list of blocks, and content as one, are taken.",
    source=sources.ANTHROPIC_MESSAGES,
)
async def system_blocks(bench: Bench) -> None:
    blocks = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    content = [{"type": "text", "text": "Say hello."}]
    await bench.accepted(MESSAGES, bench.turn(), {"system": blocks, "messages": [{"role": "user", "content": content}]})


@check(
    "messages.takes.unknown-fields",
    "Top-level fields and content fields that the server does not know are no errors.",
    source=sources.GATEWAY,
)
async def unknown_fields(bench: Bench) -> None:
    content = [{"type": "text", "text": "Say hello.", "conformance_unknown": {"x": 1}}]
    await bench.accepted(MESSAGES, bench.turn(), {"conformance_unknown": [1], "messages": [{"role": "user", "content": content}]})


@check("messages.takes.sampling", "temperature, top_p, top_k and stop_sequences are taken.", source=sources.ANTHROPIC_MESSAGES)
async def sampling(bench: Bench) -> None:
    await bench.accepted(MESSAGES, bench.turn(), {"temperature": 0.5, "top_k": 20, "stop_sequences": ["\n\nHuman:"]})


@check(
    "messages.takes.thinking",
    "A request with thinking enabled is taken, whether or not the model thinks.",
    source=sources.ANTHROPIC_MESSAGES,
)
async def thinking(bench: Bench) -> None:
    changes: Json = {"max_tokens": 1088, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    await begun(bench, MESSAGES.ask(bench.turn(), bench.key, changes))


async def begun(bench: Bench, ask: Ask) -> None:
    """Raise Failed unless a stream begins; it is left at its first bytes, since thinking needs a budget of 1024 or more."""
    try:
        async with open_live(bench.target, ask, head_within_s=bench.limits.silence_s) as live:
            got = await live.receive(bench.limits.silence_s)
            seen = got if isinstance(got, End) else short(got.decode("utf-8", "replace"))
            expect(live.status == OK and not isinstance(got, End), f"{live.status}: {seen}")
    except NoAnswer as error:
        raise Failed(str(error)) from error


@check(
    "chat.takes.tool-history", "A history with tool_calls, null content, and a tool message is taken.", source=sources.OPENAI_CHAT
)
async def chat_history(bench: Bench) -> None:
    await bench.accepted(CHAT, _with_tools(bench), {"messages": HISTORY_CHAT})


@check("chat.takes.developer-role", "A message of role developer is taken.", source=sources.OPENAI_CHAT)
async def developer_role(bench: Bench) -> None:
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
    await bench.accepted(CHAT, bench.turn(), {"messages": messages})


@check("chat.takes.content-parts", "Content as a list of text parts is taken.", source=sources.OPENAI_CHAT)
async def content_parts(bench: Bench) -> None:
    parts = [{"type": "text", "text": "Say"}, {"type": "text", "text": "hello."}]
    await bench.accepted(CHAT, bench.turn(), {"messages": [{"role": "user", "content": parts}]})


@check(
    "chat.takes.sampling", "stop as text and as a list, seed, and max_completion_tokens are taken.", source=sources.OPENAI_CHAT
)
async def chat_sampling(bench: Bench) -> None:
    await bench.accepted(CHAT, bench.turn(), {"stop": "\n\nUser:", "seed": 7, "temperature": 0.5})
    await bench.accepted(CHAT, bench.turn(), {"stop": ["\n\nUser:"], "max_tokens": None, "max_completion_tokens": 16})


@check("chat.usage-if-asked", "With stream_options.include_usage the stream tells usage.", source=sources.OPENAI_CHAT_STREAM)
async def usage_if_asked(bench: Bench) -> None:
    answer = await bench.spoken(CHAT, is_stream=True)
    expect(CHAT.read(answer.body, is_stream=True).tokens, "no usage, although it was asked for")


@check(
    "chat.usage-only-if-asked", "Without stream_options no chunk has usage, nor empty choices.", source=sources.OPENAI_CHAT_STREAM
)
async def usage_only_if_asked(bench: Bench) -> None:
    answer = await bench.ask(CHAT, bench.turn(), {"stream_options": None})
    taken(CHAT, answer, is_stream=True)
    told = CHAT.read(answer.body, is_stream=True)
    expect(told.tokens is None, f"usage {told.tokens}, although it was not asked for")


async def _models(bench: Bench) -> list[object]:
    headers = tuple(header for header in CHAT.headers(bench.key) if header[0] != "content-type")
    answer = await bench.once("openai models", CHAT, Ask(method="GET", path="/v1/models", headers=headers))
    expect(text(answer.json(), "object") == "list", f"object {at(answer.json(), 'object')!r}")
    return entries(answer.json(), "data")


@check("chat.models.list", "GET /v1/models lists models with id, object, created and owned_by.", source=sources.OPENAI_MODELS)
async def models_list(bench: Bench) -> None:
    models = await _models(bench)
    expect(models, "the list is empty")
    for model in models:
        is_whole = text(model, "id") and text(model, "object") == "model" and count(model, "created") and text(model, "owned_by")
        expect(is_whole, f"model {short(model)}")


@check("chat.models.stay", "A second list names the same models with the same created.", source=sources.OPENAI_MODELS)
async def models_stay(bench: Bench) -> None:
    first = await _models(bench)
    answer = await bench.fetch(Ask(method="GET", path="/v1/models", headers=CHAT.headers(bench.key)))
    second = entries(answer.json(), "data")
    differ = [short(pair) for pair in zip(first, second, strict=False) if pair[0] != pair[1]]
    expect(len(first) == len(second) and not differ, "; ".join(differ[:2]) or f"{len(first)} models, then {len(second)}")


@check(
    "chat.models.one",
    "GET /v1/models/{id} tells the listed model; an unknown id gets 404 in the envelope.",
    source=sources.OPENAI_MODELS,
)
async def one_model(bench: Bench) -> None:
    models = await _models(bench)
    if not models:
        raise Failed("the list is empty")
    name = text(models[0], "id")
    known = await bench.fetch(Ask(method="GET", path=f"/v1/models/{name}", headers=CHAT.headers(bench.key)))
    succeeded("GET /v1/models/{id}", known)
    expect(known.status == OK and text(known.json(), "id") == name, f"asked for {name}, got {short(known.json())}")
    unknown = await bench.fetch(Ask(method="GET", path="/v1/models/conformance-unknown", headers=CHAT.headers(bench.key)))
    envelope(CHAT, unknown, 404)
