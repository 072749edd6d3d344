"""What gemini-cli and the google-genai SDKs ask beside the grammar of an answer."""

from __future__ import annotations

from urllib.parse import quote

from tests.conformance import sources
from tests.conformance.bench import Bench, check, expect, succeeded, taken
from tests.conformance.checks_errors import envelope
from tests.conformance.dialects import GEMINI, SCHEMA, gemini_path
from tests.conformance.frames import read_array
from tests.conformance.http import Answer, Ask
from tests.conformance.shape import Json, as_json, count, entries, short, text

_UPPER: Json = {
    "type": "OBJECT",
    "properties": {
        "city": {"type": "STRING", "nullable": True},
        "unit": {"type": "STRING", "format": "enum", "enum": ["C", "F"]},
    },
    "required": ["city"],
}


def cli_turn(prompt: str) -> Json:
    """Return a turn in the shape that gemini-cli sends, in small."""
    declaration = {"name": "read_file", "description": "Reads a file.", "parametersJsonSchema": SCHEMA}
    return {
        "contents": [{"role": "user", "parts": [{"text": "Be brief."}, {"text": prompt}]}],
        "systemInstruction": {"role": "user", "parts": [{"text": "You are a coding agent."}]},
        "tools": [{"functionDeclarations": [declaration]}],
        "generationConfig": {
            "temperature": 1,
            "topP": 0.95,
            "topK": 64,
            "thinkingConfig": {"includeThoughts": True},
            "maxOutputTokens": 16,
        },
    }


async def _takes(bench: Bench, body: Json) -> None:
    await bench.accepted(GEMINI, bench.turn(), body)


async def _post(bench: Bench, path: str, body: Json) -> Answer:
    return await bench.fetch(Ask(method="POST", path=path, headers=GEMINI.headers(bench.key), body=as_json(body).encode()))


async def _get(bench: Bench, path: str) -> Answer:
    return await bench.fetch(Ask(method="GET", path=path, headers=GEMINI.headers(bench.key)))


@check("gemini.cli-turn", "A turn as gemini-cli sends it is answered.", source=sources.SEEN_GEMINI_CLI)
async def turn(bench: Bench) -> None:
    await _takes(bench, cli_turn("Say hello."))


@check(
    "gemini.array-form",
    "streamGenerateContent without alt=sse answers one JSON array of the same frames, as application/json.",
    source=sources.GEMINI,
)
async def array_form(bench: Bench) -> None:
    ask = Ask(
        method="POST",
        path=gemini_path(bench.model, "streamGenerateContent"),
        headers=GEMINI.headers(bench.key),
        body=as_json(GEMINI.body_of(bench.turn())).encode(),
    )
    answer = await bench.once("gemini array", GEMINI, ask)
    expect(answer.is_type("application/json"), f"content-type {answer.header('content-type')!r}")
    told = GEMINI.read_stream(read_array(answer.body))
    expect(not told.violations, "; ".join(one.seen for one in told.violations[:2]))


@check("gemini.key-in-query", "The key may come as ?key= instead of in a header.", source=sources.GEMINI)
async def key_in_query(bench: Bench) -> None:
    path = gemini_path(bench.model, f"generateContent?key={quote(bench.key or 'unused')}")
    answer = await bench.fetch(
        Ask(method="POST", path=path, headers=GEMINI.headers(None), body=as_json(GEMINI.body_of(bench.turn())).encode())
    )
    taken(GEMINI, answer, is_stream=False)


@check("gemini.count-tokens", "countTokens answers {totalTokens}, a number above 0.", source=sources.GEMINI_COUNT)
async def count_tokens(bench: Bench) -> None:
    contents = {"contents": [{"role": "user", "parts": [{"text": "How many tokens is this?"}]}]}
    answer = await _post(bench, gemini_path(bench.model, "countTokens"), contents)
    succeeded("countTokens", answer)
    expect(count(answer.json(), "totalTokens"), f"no totalTokens: {short(answer.json())}")


@check("gemini.models.list", "GET /v1beta/models lists models/ID with methods and limits.", source=sources.GEMINI_MODELS)
async def models(bench: Bench) -> None:
    answer = await _get(bench, "/v1beta/models")
    succeeded("GET /v1beta/models", answer)
    found = entries(answer.json(), "models")
    expect(found, f"no models: {short(answer.json())}")
    for model in found:
        has_limits = count(model, "inputTokenLimit") is not None and count(model, "outputTokenLimit") is not None
        can = "generateContent" in entries(model, "supportedGenerationMethods")
        expect(text(model, "name").startswith("models/") and has_limits and can, f"model {short(model)}")


@check(
    "gemini.models.one",
    "GET /v1beta/models/{id} tells the listed model; an unknown one gets 404 in the envelope.",
    source=sources.GEMINI_MODELS,
)
async def one_model(bench: Bench) -> None:
    listed = await _get(bench, "/v1beta/models")
    succeeded("GET /v1beta/models", listed)
    name = text(listed.json(), "models", 0, "name")
    known = await _get(bench, f"/v1beta/{name}")
    succeeded("GET /v1beta/models/{id}", known)
    expect(text(known.json(), "name") == name, f"asked for {name}, got {short(known.json())}")
    envelope(GEMINI, await _get(bench, "/v1beta/models/conformance-unknown"), 404)


@check(
    "gemini.takes.tool-history",
    "functionCall with id and thoughtSignature, and its functionResponse, are taken in the history.",
    source=sources.SEEN_GEMINI_CLI,
)
async def tool_history(bench: Bench) -> None:
    body = cli_turn("How is the weather in Paris?")
    call = {
        "functionCall": {"id": "call_1", "name": "read_file", "args": {"city": "Paris"}},
        "thoughtSignature": "Y29uZm9ybWFuY2U=",
    }
    answer = {"functionResponse": {"id": "call_1", "name": "read_file", "response": {"output": "sunny"}}}
    turns = [{"role": "model", "parts": [call]}, {"role": "user", "parts": [answer]}]
    await _takes(bench, body | {"contents": [*body["contents"], *turns]})


@check(
    "gemini.takes.openapi-schema", "Declarations with parameters in upper-case OpenAPI types are taken.", source=sources.GEMINI
)
async def openapi_schema(bench: Bench) -> None:
    declaration = {"name": "look_up", "description": "Looks up the weather.", "parameters": _UPPER}
    await _takes(bench, cli_turn("Say hello.") | {"tools": [{"functionDeclarations": [declaration]}]})


@check("gemini.takes.snake-case", "system_instruction and generation_config are taken in snake case, too.", source=sources.GEMINI)
async def snake_case(bench: Bench) -> None:
    instruction = {"parts": [{"text": "Be brief."}]}
    await _takes(bench, {"system_instruction": instruction, "generation_config": {"max_output_tokens": 16}})


@check("gemini.takes.safety-settings", "safetySettings are no error.", source=sources.GEMINI)
async def safety(bench: Bench) -> None:
    setting = {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}
    await _takes(bench, cli_turn("Say hello.") | {"safetySettings": [setting]})


@check("gemini.error.unknown-verb", "A verb that is not offered gets 404 in the envelope.", source=sources.GEMINI_ERRORS)
async def unknown_verb(bench: Bench) -> None:
    await bench.spoken(GEMINI, is_stream=False)  # else a 404 says nothing
    envelope(GEMINI, await _post(bench, gemini_path(bench.model, "conformanceUnknown"), cli_turn("x")), 404)
