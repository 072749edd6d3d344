"""What Claude Code asks of a gateway, whatever model is behind it."""

from __future__ import annotations

import re

import trio

from tests.conformance import sources
from tests.conformance.bench import OK, Bench, Failed, NotOffered, check, expect, succeeded, taken
from tests.conformance.dialects import MESSAGES, SCHEMA, bearer
from tests.conformance.http import Answer, Ask, Headers
from tests.conformance.shape import Json, as_json, at, count, entries, lacks, short, text

BETAS = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,conformance-unknown-2026-01-01"
BILLING = "x-anthropic-billing-header:"
DISCOVERY_S = 3.0  # Claude Code's own limit
HELLO_S = 3.0  # it waits for HEAD / before the first turn
BURST = 20  # what /context sends at once is 19
BURST_S = 10.0
BIG_BYTES = 400_000  # a first turn has 116 KB; a long session several times that
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

SESSION: Headers = (
    ("anthropic-beta", BETAS),
    ("x-app", "cli"),
    ("x-claude-code-session-id", "00000000-0000-4000-8000-000000000001"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-timeout", "600"),
)


def client_headers(bench: Bench) -> Headers:
    """Return the headers of a Claude Code that has its key in ANTHROPIC_AUTH_TOKEN."""
    key = (bearer(bench.key),) if bench.key else ()
    return (("content-type", "application/json"), ("anthropic-version", "2023-06-01"), *SESSION, *key)


def client_turn(bench: Bench, prompt: str, *, is_stream: bool = True, model: str | None = None) -> Json:
    """Return a first turn in the shape that Claude Code sends, in small."""
    cached = {"cache_control": {"type": "ephemeral"}}
    billing = {"type": "text", "text": f"{BILLING} cc_version=2.1.197.000; cc_entrypoint=cli; cch=00000;"}
    system = [billing, {"type": "text", "text": "You are a coding agent.", **cached}]
    reminder = {"type": "text", "text": "<system-reminder>\nAnswer briefly.\n</system-reminder>"}
    content = [reminder, {"type": "text", "text": prompt, **cached}]
    tool = {"name": "Read", "description": "Reads a file.", "input_schema": SCHEMA, "eager_input_streaming": True, **cached}
    body: Json = {
        "model": model or bench.model,
        "max_tokens": 16,
        "system": system,
        "messages": [{"role": "user", "content": content}],
        "tools": [tool],
        "metadata": {"user_id": as_json({"device_id": "0" * 64, "account_uuid": "", "session_id": SESSION[2][1]})},
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "medium"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "diagnostics": {"previous_message_id": None},
    }
    return body | ({"stream": True} if is_stream else {})  # its second try has no `stream` at all


def post(bench: Bench, path: str, body: object) -> Ask:
    """Return a request of Claude Code."""
    return Ask(method="POST", path=path, headers=client_headers(bench), body=as_json(body).encode())


async def counted(bench: Bench, body: Json) -> int:
    """Return the tokens that the server counts. Raises Failed."""
    answer = await bench.fetch(post(bench, "/v1/messages/count_tokens?beta=true", body))
    succeeded("count_tokens", answer)
    tokens = count(answer.json(), "input_tokens")
    expect(tokens, f"no input_tokens: {short(answer.body.decode('utf-8', 'replace'))}")
    return tokens or 0


def _prompt(bench: Bench) -> Json:
    return {"model": bench.model, "messages": [{"role": "user", "content": "How many tokens is this?"}]}


@check("gateway.head-root", "HEAD / is answered at once, with success and no body.", source=sources.SEEN_CLAUDE)
async def head_root(bench: Bench) -> None:
    answer = await bench.fetch(Ask(method="HEAD", path="/", headers=client_headers(bench)))
    expect(200 <= answer.status < 300, f"status {answer.status}")
    expect(not answer.body, f"a body of {len(answer.body)} bytes")
    expect(answer.head_after_s < HELLO_S, f"after {answer.head_after_s:.1f} s")


@check(
    "gateway.side-calls",
    "HEAD /api/hello and POST /api/event_logging/batch succeed: a 404 is told to the user as a bad connection.",
    source="router-for-me/CLIProxyAPI issues 5905, 510",
)
async def side_calls(bench: Bench) -> None:
    hello = await bench.fetch(Ask(method="HEAD", path="/api/hello", headers=client_headers(bench)))
    expect(hello.status == OK, f"HEAD /api/hello: {hello.status}")
    events = await bench.fetch(post(bench, "/api/event_logging/batch", {"events": []}))
    expect(200 <= events.status < 300, f"POST /api/event_logging/batch: {events.status}")


@check(
    "gateway.turn", "A turn as Claude Code sends it, with ?beta=true and every field it has, is answered.", source=sources.GATEWAY
)
async def turn(bench: Bench) -> None:
    answer = await bench.fetch(post(bench, "/v1/messages?beta=true", client_turn(bench, "Say hello.")))
    taken(MESSAGES, answer, is_stream=True)


@check(
    "gateway.turn-again-without-stream",
    "The same turn without stream is answered, too: Claude Code sends it so after a stream that broke early.",
    source=sources.SEEN_CLAUDE,
)
async def turn_again(bench: Bench) -> None:
    body = client_turn(bench, "Say hello.", is_stream=False)
    taken(MESSAGES, await bench.fetch(post(bench, "/v1/messages?beta=true", body)), is_stream=False)


@check(
    "gateway.system-role-in-messages",
    "A message of role system among the messages is taken: Claude Code sends one for models that it does not know.",
    source=sources.SEEN_CLAUDE,
)
async def system_role(bench: Bench) -> None:
    body = client_turn(bench, "Say hello.")
    body["messages"].append({"role": "system", "content": "Be brief."})
    taken(MESSAGES, await bench.fetch(post(bench, "/v1/messages?beta=true", body)), is_stream=True)


@check(
    "gateway.side-query",
    "A query beside the turn is answered: no tools, thinking disabled, a JSON schema for the answer.",
    source=sources.SEEN_CLAUDE,
)
async def side_query(bench: Bench) -> None:
    body = client_turn(bench, "Name this session.")
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"], "additionalProperties": False}
    body |= {"thinking": {"type": "disabled"}, "output_config": {"format": {"type": "json_schema", "schema": schema}}}
    del body["tools"]
    taken(MESSAGES, await bench.fetch(post(bench, "/v1/messages?beta=true", body)), is_stream=True)


@check("gateway.count-tokens", "count_tokens answers {input_tokens}, a number above 0.", source=sources.ANTHROPIC_COUNT)
async def count_tokens(bench: Bench) -> None:
    await counted(bench, _prompt(bench))


@check(
    "gateway.count-tokens-counts-all",
    "count_tokens counts system and tools, and more text as more tokens.",
    source="router-for-me/CLIProxyAPI issue 679: 48 told where 728 were sent",
)
async def counts_all(bench: Bench) -> None:
    bare = await counted(bench, _prompt(bench))
    system = await counted(bench, _prompt(bench) | {"system": "Answer as an old sailor would answer. " * 20})
    tools = [{"name": "look_up", "description": "Looks up the weather of a city. " * 20, "input_schema": SCHEMA}]
    tooled = await counted(bench, _prompt(bench) | {"tools": tools})
    expect(system >= bare + 60, f"{bare} without system, {system} with one of 140 words")
    expect(tooled >= bare + 60, f"{bare} without tools, {tooled} with a description of 120 words")


@check(
    "gateway.count-tokens-burst",
    f"{BURST} count_tokens at once are all answered within {BURST_S:g} s: /context sends 19.",
    source=sources.SEEN_CLAUDE,
)
async def burst(bench: Bench) -> None:
    statuses: list[object] = []

    async def one() -> None:
        try:
            statuses.append((await bench.fetch(post(bench, "/v1/messages/count_tokens?beta=true", _prompt(bench)))).status)
        except Failed as error:
            statuses.append(str(error))

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(BURST):
            nursery.start_soon(one)
    if 404 in statuses:
        raise NotOffered("count_tokens is not offered (404)")
    expect(set(statuses) == {OK}, f"statuses {sorted(map(str, statuses))}")
    expect(trio.current_time() - began < BURST_S, f"took {trio.current_time() - began:.1f} s")


@check(
    "gateway.big-body",
    f"A body of {BIG_BYTES // 1000} KB is read: many servers stop at 128 KB.",
    source=sources.SEEN_CLAUDE,
)
async def big_body(bench: Bench) -> None:
    content = "word " * (BIG_BYTES // 5)
    await counted(bench, _prompt(bench) | {"messages": [{"role": "user", "content": content}]})


async def _discovered(bench: Bench) -> Answer:
    headers = tuple(header for header in client_headers(bench) if header[0] != "content-type")
    return await bench.once("discovery", MESSAGES, Ask(method="GET", path="/v1/models?limit=1000", headers=headers))


@check(
    "gateway.models-discovery",
    f"GET /v1/models?limit=1000 answers within {DISCOVERY_S:g} s, without a redirect, with Anthropic's list of models.",
    source=f"{sources.GATEWAY}; {sources.ANTHROPIC_MODELS}",
)
async def models_discovery(bench: Bench) -> None:
    answer = await _discovered(bench)
    expect(answer.head_after_s < DISCOVERY_S, f"after {answer.head_after_s:.1f} s")
    page = answer.json()
    models = entries(page, "data")
    missing = lacks(page, "data", "has_more", "first_id", "last_id")
    expect(models and not missing, f"no {', '.join(missing) or 'models'}: {short(page)}")
    for model in models:
        is_whole = text(model, "type") == "model" and text(model, "id") and text(model, "display_name")
        expect(is_whole and _TIME.fullmatch(text(model, "created_at")), f"model {short(model)}")
    ends = at(page, "first_id"), at(page, "last_id")
    expect(ends == (text(models[0], "id"), text(models[-1], "id")), f"first_id and last_id {ends}")


@check(
    "gateway.models-discovery-names-claude",
    "At least one id of the discovered models begins with claude or anthropic: Claude Code shows no others.",
    source=sources.GATEWAY,
)
async def names_claude(bench: Bench) -> None:
    ids = [text(model, "id") for model in entries((await _discovered(bench)).json(), "data")]
    expect(any(name.startswith(("claude", "anthropic")) for name in ids), f"ids {short(ids)}")
