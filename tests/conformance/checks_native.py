"""What a gateway hands on unchanged to an upstream that speaks Messages itself, and back.

Needs --native-model: a model that the target asks of the scripted upstream by POST /v1/messages."""

from __future__ import annotations

from attrs import evolve

from tests.conformance import sources
from tests.conformance.bench import Bench, Needs, NotApplicable, check, expect, read_success
from tests.conformance.checks_errors import envelope
from tests.conformance.checks_gateway import BETAS, BILLING, client_turn, post
from tests.conformance.dialects import MESSAGES
from tests.conformance.http import Answer
from tests.conformance.scripts import Script, messages_refusal, messages_speech, speech
from tests.conformance.shape import Json, as_json, at, entries, short, text
from tests.conformance.upstream import Asked

SIGNATURE = "EqQBCkYIBRgCKkAwMDAwMDAw+/conformance/MDAwMDAwMDA="
EXTRA = '{"b":1.0,"a":[1e2,null,"\\u00fc"]}'  # numbers, order and escapes that no dump of a parsed document would keep
LIMIT_HEADERS = (
    ("anthropic-ratelimit-requests-remaining", "41"),
    ("anthropic-ratelimit-unified-status", "allowed"),
    ("anthropic-ratelimit-conformance-unknown", "7"),
)
REFUSED = "tools.0.custom: conformance finds no taste in this"


async def _handed_on(bench: Bench, script: Script, changes: Json | None = None, extra: str = "") -> tuple[Asked, Answer]:
    """Send a turn for the native model; return what came to the upstream, and the answer to the client."""
    if bench.native_model is None:
        raise NotApplicable("needs --native-model")
    with bench.playing(script) as case:
        body = client_turn(bench, f"Please answer {case.word}.", model=bench.native_model) | (changes or {})
        written = as_json(body)
        if extra:
            written = f'{written[:-1]},"conformance_extra":{extra}}}'
        answer = await bench.fetch(evolve(post(bench, "/v1/messages?beta=true", None), body=written.encode()))
        expect(
            case.asked,
            f"the upstream was not asked; the client got {answer.status}: {short(answer.body.decode('utf-8', 'replace'))}",
        )
        asked = case.asked[0]
    expect(asked.path.partition("?")[0].endswith("/messages"), f"the upstream was asked at {asked.path}, not in Messages")
    return asked, answer


def _fine() -> Script:
    return messages_speech(("Fine", "."), headers=LIMIT_HEADERS)


@check(
    "gateway.beta-header-passes",
    "anthropic-beta reaches the upstream with every flag, unknown ones too.",
    source=sources.GATEWAY,
    needs=Needs.NATIVE,
)
async def betas_pass(bench: Bench) -> None:
    asked, _ = await _handed_on(bench, _fine())
    flags = [flag.strip() for flag in (asked.header("anthropic-beta") or "").split(",")]
    missing = [flag for flag in BETAS.split(",") if flag not in flags]
    expect(not missing, f"missing {', '.join(missing)} in {flags}")


@check("gateway.version-header-passes", "anthropic-version reaches the upstream.", source=sources.GATEWAY, needs=Needs.NATIVE)
async def version_passes(bench: Bench) -> None:
    asked, _ = await _handed_on(bench, _fine())
    expect(asked.header("anthropic-version") == "2023-06-01", f"anthropic-version {asked.header('anthropic-version')!r}")


@check(
    "gateway.body-fields-pass",
    "Every body field reaches the upstream, known or not: thinking, output_config, context_management, metadata, cache_control.",
    source=sources.GATEWAY,
    needs=Needs.NATIVE,
)
async def fields_pass(bench: Bench) -> None:
    asked, _ = await _handed_on(bench, _fine())
    sent, got = client_turn(bench, ""), asked.json()
    for document in (sent, got):  # the billing header may be taken out: it is for the gateway, and changes each turn
        document["system"] = [block for block in entries(document, "system") if not text(block, "text").startswith(BILLING)]
    differ = [name for name in sent if name not in {"model", "messages"} and got.get(name) != sent[name]]
    expect(not differ, "; ".join(f"{name} became {short(at(got, name), 60)}" for name in differ))
    mark = at(got, "messages", 0, "content", 1, "cache_control")
    expect(mark == {"type": "ephemeral"}, f"cache_control of the last message became {mark}")


@check(
    "gateway.bytes-survive",
    "What is handed on keeps its bytes: the order of keys, how numbers and characters are written.",
    source=sources.GATEWAY,
    needs=Needs.NATIVE,
)
async def bytes_survive(bench: Bench) -> None:
    asked, _ = await _handed_on(bench, _fine(), extra=EXTRA)
    seen = short(at(asked.json(), "conformance_extra"))
    expect(EXTRA.encode() in asked.body, f"{EXTRA} became {seen}")


@check(
    "gateway.thinking-survives",
    "Thinking and redacted_thinking blocks of the history reach the upstream with their signatures unchanged.",
    source="router-for-me/CLIProxyAPI issue 2172: Invalid signature in thinking block",
    needs=Needs.NATIVE,
)
async def thinking_survives(bench: Bench) -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm, a  weather question.\n", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": SIGNATURE[::-1]},
        {"type": "tool_use", "id": "toolu_conformance1", "name": "Read", "input": {"city": "Paris"}},
    ]
    if bench.native_model is None:
        raise NotApplicable("needs --native-model")
    with bench.playing(_fine()) as case:
        result = {"type": "tool_result", "tool_use_id": "toolu_conformance1", "content": "sunny"}
        history = [
            {"role": "user", "content": f"Please answer {case.word}."},
            {"role": "assistant", "content": blocks},
            {"role": "user", "content": [result]},
        ]
        body = client_turn(bench, "", model=bench.native_model) | {"messages": history}
        await bench.fetch(post(bench, "/v1/messages?beta=true", body))
        expect(case.asked, "the upstream was not asked")
        got = at(case.asked[0].json(), "messages", 1, "content")
    expect(got == blocks, f"the turn became {short(got)}")


@check(
    "gateway.rate-limit-headers-pass",
    "The upstream's anthropic-ratelimit-* headers reach the client, unknown ones too.",
    source="BerriAI/litellm PR 37767: without them the status line loses its limits",
    needs=Needs.NATIVE,
)
async def limits_pass(bench: Bench) -> None:
    _, answer = await _handed_on(bench, _fine())
    missing = [name for name, value in LIMIT_HEADERS if answer.header(name) != value]
    expect(not missing, f"missing {', '.join(missing)}")


@check(
    "gateway.upstream-400-passes",
    "The upstream's 400 reaches the client as 400, with the upstream's own words.",
    source=sources.GATEWAY,
    needs=Needs.NATIVE,
)
async def refusal_passes(bench: Bench) -> None:
    _, answer = await _handed_on(bench, messages_refusal(400, REFUSED, kind="invalid_request_error"))
    message = envelope(MESSAGES, answer, 400)
    expect(REFUSED in message, f"message {short(message)}")


@check(
    "gateway.native-answer",
    "The upstream's own stream comes back in its grammar, word for word.",
    source=sources.GATEWAY,
    needs=Needs.NATIVE,
)
async def native_answer(bench: Bench) -> None:
    words = ("Grüße ", "an\n", "\u2028 alle ✓")
    _, answer = await _handed_on(bench, messages_speech(words))
    told = read_success(MESSAGES, answer, is_stream=True)
    expect(told.text == "".join(words), f"text {told.text!r}")


@check(
    "gateway.attribution-keeps-prefix",
    "Two turns that differ only in the billing header's cch value reach a chat upstream with the same beginning.",
    source=sources.CACHES,
    needs=Needs.UPSTREAM,
)
async def attribution(bench: Bench) -> None:
    from_chat: list[object] = []
    with bench.playing(speech(("fine",))) as case:
        for number in ("00000", "fffff"):
            body = client_turn(bench, f"Please answer {case.word}.", is_stream=False)
            body["system"][0]["text"] = body["system"][0]["text"].replace("cch=00000", f"cch={number}")
            await bench.fetch(post(bench, "/v1/messages?beta=true", body))
            expect(case.asked, "the upstream was not asked")
            from_chat.append(case.asked[-1].json().get("messages"))
    expect(from_chat[0] == from_chat[1], f"{short(from_chat[0])} and then {short(from_chat[1])}")
