from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import evolve

from router.domain.request import DialectName
from router.errors import InvalidRequest
from router.providers.adapter import DIALECT_OF_KIND
from router.providers.body import BodyPlan, UpstreamBody, plan_body
from router.providers.remedies import DropField, RefusedFeatures, RenameField
from router.providers.slot_affinity import slot_of
from router.wire.registry import DIALECTS
from tests.builders import ANTHROPIC, CHAT, a_provider
from tests.router.providers.rig import same_dialect, translated

CHAT_BODY = b'{ "messages" : [{"role":"user","content":"\\u0041"}], "seed":1.50, "model":"asked" ,"x_unknown":{"b":1,"a":2}}'
MESSAGES_BODY = (
    b'{"model":"asked","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"system":[{"type":"text","text":"s"}]}'
)


def plan(dialect: DialectName = CHAT, **keys: object) -> BodyPlan:
    kind = next(kind for kind, spoken in DIALECT_OF_KIND.items() if spoken is dialect)
    return plan_body(a_provider("p", kind=kind, **{"model": "theirs", **keys}), DIALECTS[dialect])


def sent(body: UpstreamBody) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(body.content)
    return document


def spliced(
    body: bytes = CHAT_BODY,
    dialect: DialectName = CHAT,
    *,
    stream: bool = False,
    refused: RefusedFeatures | None = None,
    **keys: object,
) -> dict[str, Any]:
    return sent(plan(dialect, **keys).encode(same_dialect(body, dialect, stream=stream), refused or RefusedFeatures()))


def test_the_clients_bytes_stay_but_for_the_model() -> None:
    body = plan().encode(same_dialect(CHAT_BODY), RefusedFeatures()).content

    assert b'"theirs"' in body
    for piece in (b'[{"role":"user","content":"\\u0041"}]', b'"seed":1.50', b'"x_unknown":{"b":1,"a":2}'):
        assert piece in body


def test_the_routers_own_keys_are_for_the_router() -> None:
    body = spliced(b'{"model":"m","messages":[],"profile":"p","mode":"x","router":{"a":1}}')

    assert body == {"model": "theirs", "messages": []}


def test_extra_body_fills_what_the_client_left_out_and_never_wins() -> None:
    extra = {"seed": 9, "top_k": 40, "x_unknown": {"a": 0, "c": 3}, "anthropic_version": "2023-06-01"}

    body = spliced(extra_body=extra)

    assert (body["seed"], body["top_k"]) == (1.5, 40)
    assert body["x_unknown"] == {"a": 2, "b": 1, "c": 3}
    assert "anthropic_version" not in body


@pytest.mark.parametrize(
    ("body", "stream", "options"),
    [
        (b'{"stream":true}', True, {"include_usage": True}),
        (b'{"stream":true,"stream_options":{"include_usage":false,"x":1}}', True, {"include_usage": True, "x": 1}),
        (b'{"stream":true,"stream_options":null}', True, {"include_usage": True}),
        (b'{"stream":true,"stream_options":{"include_usage":true}}', False, None),
        (b'{"stream":false}', False, None),
        (b"{}", False, None),
    ],
)
def test_a_chat_stream_is_asked_for_its_usage_and_a_whole_answer_is_not(
    body: bytes,
    stream: bool,  # noqa: FBT001 - a column
    options: object,
) -> None:
    document = spliced(body, stream=stream)

    assert document.get("stream_options") == options
    assert document.get("stream", False) is stream


def test_a_messages_stream_has_no_such_option() -> None:
    assert "stream_options" not in spliced(MESSAGES_BODY, ANTHROPIC, stream=True)


@pytest.mark.parametrize(
    ("provider", "profile", "told"),
    [("p", None, "p"), ("p", "q", "q"), ("p", "", None), (None, "q", "q"), (None, None, None)],
)
def test_the_profiles_system_prompt_replaces_the_providers(provider: str | None, profile: str | None, told: str | None) -> None:
    call = evolve(same_dialect(MESSAGES_BODY, ANTHROPIC), append_system_prompt=profile)

    body = sent(plan(ANTHROPIC, append_system_prompt=provider).encode(call, RefusedFeatures()))

    assert [block["text"] for block in body["system"]] == (["s"] if told is None else ["s", told])


def test_field_lists_reach_what_the_router_added() -> None:
    body = spliced(
        b'{"stream":true,"max_tokens":5,"messages":[],"seed":1}',
        stream=True,
        drop_fields=("stream_options", "seed"),
        rename_fields={"max_tokens": "max_completion_tokens"},
    )

    assert body == {"stream": True, "messages": [], "max_completion_tokens": 5, "model": "theirs"}


def test_an_allow_list_leaves_out_what_it_does_not_name_and_says_so() -> None:
    body = plan(allow_fields=("seed",)).encode(same_dialect(CHAT_BODY), RefusedFeatures())

    assert sent(body).keys() == {"messages", "seed", "model"}
    assert [note.path for note in body.notes] == ["x_unknown"]


@pytest.mark.parametrize("is_translated", [False, True])
def test_what_the_upstream_refused_is_left_out_on_both_ways(is_translated: bool) -> None:  # noqa: FBT001 - a column
    refused = RefusedFeatures()
    refused.remember(DropField("seed"))
    refused.remember(RenameField("max_tokens", "max_completion_tokens"))
    same = same_dialect(b'{"messages":[],"seed":1,"max_tokens":7}')

    body = sent(plan(extra_body={"seed": 3}).encode(translated() if is_translated else same, refused))

    assert "seed" not in body
    assert "max_tokens" not in body
    assert body["max_completion_tokens"] == 7


def test_a_translated_stream_may_be_asked_for_whole() -> None:
    call = evolve(translated(stream=True), stream=False)

    body = sent(plan().encode(call, RefusedFeatures()))

    assert body["stream"] is False
    assert "stream_options" not in body


def test_an_empty_model_is_sent_empty() -> None:
    assert spliced(model="")["model"] == ""


def test_a_request_that_the_upstreams_dialect_cannot_say_is_the_clients_mistake() -> None:
    tool = b'[{"type":"web_search_20250305","name":"web_search"}]'
    request = DIALECTS[ANTHROPIC].decode_request({**orjson.loads(MESSAGES_BODY), "tools": orjson.loads(tool)})
    call = evolve(translated(), neutral=request)

    with pytest.raises(InvalidRequest):
        plan(server_tools="refuse").encode(call, RefusedFeatures())


def test_counting_sends_the_providers_model_and_none_of_the_generations_settings() -> None:
    count = plan(ANTHROPIC, extra_body={"max_tokens": 3}, append_system_prompt="x").encode_count(
        b'{"model":"m","profile":"p","messages":[]}', RefusedFeatures()
    )

    assert count == b'{"model":"theirs","messages":[]}'


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("thinking", "thinking"),
        ("reasoning_effort", "thinking"),
        ("mcp_servers", "server-tool"),
        ("audio", "audio"),
        ("seed", "field"),
    ],
)
def test_a_field_left_out_that_changes_the_meaning_is_told_as_such(name: str, kind: str) -> None:
    refused = RefusedFeatures()
    refused.remember(DropField(name))

    body = plan().encode(same_dialect(orjson.dumps({"messages": [], name: {"a": 1}})), refused)

    assert [(note.path, note.kind) for note in body.notes] == [(name, kind)]


# ---- the slot of a session


@pytest.mark.parametrize("is_translated", [False, True])
def test_a_session_is_sent_to_its_slot_on_both_ways(is_translated: bool) -> None:  # noqa: FBT001 - a column
    call = evolve(translated() if is_translated else same_dialect(CHAT_BODY), session_key="sid")

    assert sent(plan(slot_affinity_slots=4).encode(call, RefusedFeatures()))["id_slot"] == slot_of("sid", 4)


@pytest.mark.parametrize(
    ("keys", "body", "slot"),
    [
        ({"extra_body": {"id_slot": 9}}, b"{}", 9),
        ({}, b'{"id_slot":7}', 7),
        ({"allow_fields": ()}, b"{}", slot_of("sid", 4)),
        ({"drop_fields": ("id_slot",)}, b"{}", None),
        ({"slot_affinity_slots": None}, b"{}", None),
    ],
)
def test_a_slot_that_somebody_chose_counts(keys: dict[str, object], body: bytes, slot: int | None) -> None:
    call = evolve(same_dialect(body), session_key="sid")

    assert sent(plan(CHAT, **{"slot_affinity_slots": 4, **keys}).encode(call, RefusedFeatures())).get("id_slot") == slot


def test_an_unknown_session_and_another_dialect_get_no_slot() -> None:
    known = evolve(same_dialect(MESSAGES_BODY, ANTHROPIC), session_key="sid")

    assert "id_slot" not in spliced(slot_affinity_slots=4)
    assert "id_slot" not in sent(plan(ANTHROPIC, slot_affinity_slots=4).encode(known, RefusedFeatures()))


# ---- tools that are searched by need

DEFERRING = (
    b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"tools":'
    b'[{"type":"tool_search_tool_bm25_20251119","name":"tool_search_tool_bm25"},{"name":"Read","input_schema":{},"defer_loading":true}]}'
)
VENDOR = "https://api.anthropic.com"


@pytest.mark.parametrize(
    ("action", "base_url", "is_kept"),
    [
        ("auto", VENDOR, True),
        ("auto", "https://API.anthropic.com:443/v1", True),
        ("auto", "https://api.anthropic.com.example.org", False),
        ("auto", "http://127.0.0.1:1", False),
        ("expand", VENDOR, False),
        ("passthrough", "http://127.0.0.1:1", True),
    ],
)
def test_deferred_tools_stay_where_somebody_searches_them(action: str, base_url: str, is_kept: bool) -> None:  # noqa: FBT001 - a column
    call = evolve(same_dialect(DEFERRING, ANTHROPIC), deferred_tools=action)

    tools = sent(plan(ANTHROPIC, base_url=base_url).encode(call, RefusedFeatures()))["tools"]

    assert tools == (orjson.loads(DEFERRING)["tools"] if is_kept else [{"name": "Read", "input_schema": {}}])


@pytest.mark.parametrize("base_url", [VENDOR, "http://127.0.0.1:1"])
def test_deferred_tools_may_be_refused_by_name(base_url: str) -> None:
    call = evolve(same_dialect(DEFERRING, ANTHROPIC), deferred_tools="reject")

    with pytest.raises(InvalidRequest, match="tool_search_tool_bm25"):
        plan(ANTHROPIC, base_url=base_url).encode(call, RefusedFeatures())


def test_a_chat_upstream_is_offered_every_tool_at_once() -> None:
    request = DIALECTS[ANTHROPIC].decode_request(orjson.loads(DEFERRING))

    body = plan().encode(evolve(translated(), neutral=request), RefusedFeatures())

    assert [tool["function"]["name"] for tool in sent(body)["tools"]] == ["Read"]
    assert b"defer_loading" not in body.content


BILLED = "x-anthropic-billing-header: cc_version=2; cch=%s;"
AGENT = b'{"type":"text","text":"You are an agent.","cache_control":{"type":"ephemeral"}, "x":1.50}'


def billed(nonce: str, *, system: bytes | None = None) -> bytes:
    blocks = b'[{"type":"text","text":"%b"},%b]' % ((BILLED % nonce).encode(), AGENT)
    return b'{"model":"m","max_tokens":5,"system":%b,"messages":[{"role":"user","content":"hi"}]}' % (system or blocks)


def head_sent(base_url: str, nonce: str, **keys: object) -> bytes:
    """Return what stands before the model's name in a server's cache: all that is the same in each turn."""
    body = plan(ANTHROPIC, base_url=base_url, **keys).encode(same_dialect(billed(nonce), ANTHROPIC), RefusedFeatures()).content
    return body[body.index(b'"system"') :]


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8080", "http://localhost:8080/v1", "http://[::1]:8080"])
def test_a_local_servers_prefix_cache_is_not_spoilt_by_the_line_a_client_is_billed_by(base_url: str) -> None:
    first, second = (head_sent(base_url, nonce) for nonce in ("aaa", "bbb"))

    assert first == second
    assert AGENT in first


def test_the_line_reaches_those_who_bill_by_it() -> None:
    assert b"cch=aaa" in head_sent("https://api.anthropic.com", "aaa")
    assert b"cch=aaa" in head_sent("http://127.0.0.1:8080", "aaa", keep_attribution=True)
    assert b"cch=aaa" not in head_sent("https://gateway.example", "aaa", keep_attribution=False)


@pytest.mark.parametrize(
    ("system", "left"),
    [
        (b'"x-anthropic-billing-header: cch=1;\\nYou are an agent."', "You are an agent."),
        (b'"x-anthropic-billing-header: cch=1;"', None),
        (b'[{"type":"text","text":"x-anthropic-billing-header: cch=1;"}]', None),
        (
            b'[{"type":"text","text":"x-anthropic-billing-header: cch=1;\\nYou are"}]',
            [{"type": "text", "text": "You are"}],
        ),
        (b'"You are an agent."', "You are an agent."),
    ],
)
def test_only_the_line_itself_is_taken(system: bytes, left: object) -> None:
    told = plan(ANTHROPIC, base_url="http://127.0.0.1:1").encode(
        same_dialect(billed("1", system=system), ANTHROPIC), RefusedFeatures()
    )

    assert sent(told).get("system") == left
    assert [note.reason for note in told.notes] == ([] if system == b'"You are an agent."' else ["client attribution block"])
