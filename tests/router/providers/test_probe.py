"""What counts as an answer to a probe (D27, D28, D29), what it costs (D16), and what it sends; over HTTP in memory."""

from __future__ import annotations

import orjson
import pytest
import trio
from trio.testing import MockClock

from router.config.schema import ProbeConfig
from router.config.schema_provider import CapabilitiesConfig, RestartConfig
from router.config.schema_server import RoutingConfig
from router.domain.health_events import ProbeVerdict
from router.domain.probe import ProbeClass, ProbeResult
from router.errors import FailureReason, ProviderFailed
from router.providers.probe import HttpProber
from tests.builders import a_config, anthropic_reply, anthropic_stream, chat_reply, chat_stream
from tests.router.providers.fake_http import JSON, SSE, FakeClient, Told
from tests.router.providers.rig import KEY, Rig, a_rig

TCP, READY, MODELS, COMPLETE = ProbeClass
R = FailureReason
HTML = (("content-type", "text/html"),)
STREAM = Told(headers=SSE, parts=chat_stream("x"))
MANAGED = {"mode": "managed", "argv": ("server",), "ready_url": "http://127.0.0.1:9/health"}


def a_prober(rig: Rig, health: FakeClient | None = None, *, pays: bool = False, allow_paid: bool = True) -> HttpProber:
    config = a_config(rig.provider.config, probe=ProbeConfig(paid=pays), routing=RoutingConfig(allow_paid=allow_paid))
    return HttpProber(
        config=lambda: config,
        provider_of=lambda name: rig.provider if name == "p" else None,
        new_client=lambda _: health or FakeClient([]),
    )


async def probed(told: Told | ProviderFailed, cls: ProbeClass = COMPLETE, **keys: object) -> ProbeResult:
    return await a_prober(a_rig(told, **keys)).probe("p", cls)


def with_restart(**keys: object) -> dict[str, object]:
    return {"restart": RestartConfig(**(MANAGED | keys))}  # type: ignore[arg-type]  # keys by name


# ---- complete


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("openai_compat", STREAM),
        ("openai_compat", Told(headers=SSE, parts=chat_stream())),
        ("openai_compat", Told(headers=SSE, parts=(b"".join(chat_stream("x")).replace(b"data: [DONE]\n\n", b""),))),
        ("openai_compat", Told(parts=(chat_reply("x"),))),
        ("openai_compat", Told(parts=(chat_reply(" "),))),
        ("anthropic", Told(headers=SSE, parts=anthropic_stream("x"))),
        ("anthropic", Told(headers=SSE, parts=anthropic_stream())),
        ("anthropic", Told(parts=(anthropic_reply("x"),))),
    ],
)
async def test_a_whole_answer_is_one_even_without_content(kind: str, told: Told) -> None:
    result = await probed(told, kind=kind)

    assert (result.verdict, result.reason, result.status, result.model) == (ProbeVerdict.OK, None, 200, "m")


async def test_the_model_of_an_answer_is_a_word_of_the_log_without_secrets() -> None:
    named = ("m" * 190 + KEY + "m" * 4_000_000).encode()

    result = await probed(Told(parts=(chat_reply("x").replace(b'"model":"m"', b'"model":"%s"' % named),)))

    assert result.model == ("m" * 190 + "***" + "m" * 7)


NO_ANSWERS = [
    pytest.param(Told(headers=HTML, parts=(b"<html><title>Log in</title></html>",)), R.BAD_RESPONSE, id="page"),
    pytest.param(Told(headers=SSE, parts=(b"<html><title>Log in</title></html>",)), R.EMPTY_STREAM, id="page-as-stream"),
    pytest.param(Told(status=302, headers=(("location", "/login"),), parts=()), R.REDIRECT, id="redirect"),
    pytest.param(Told(parts=(b"[]",)), R.BAD_RESPONSE, id="list"),
    pytest.param(Told(parts=(b"{}",)), R.BAD_RESPONSE, id="empty-object"),
    pytest.param(Told(parts=(b"",)), R.BAD_RESPONSE, id="nothing"),
    pytest.param(Told(parts=(chat_reply("x").replace(b'"model":"m"', b'"model":5'),)), R.BAD_RESPONSE, id="model-5"),
    pytest.param(
        Told(headers=SSE, parts=[part.replace(b'"model":"m"', b'"model":5') for part in chat_stream("x")]),
        R.BAD_RESPONSE,
        id="model-5-streamed",
    ),
    pytest.param(Told(parts=(b'{"choices": "none", "content": 7}',)), R.BAD_RESPONSE, id="wrong-types"),
    pytest.param(Told(headers=SSE, parts=(b'data: {"choices": 7}\n\n', b"data: [DONE]\n\n")), R.EMPTY_STREAM, id="no-choices"),
    pytest.param(Told(headers=SSE, parts=[b"data: nonsense\n\n"] * 9), R.BAD_RESPONSE, id="no-json"),
    pytest.param(Told(headers=SSE, parts=()), R.EMPTY_STREAM, id="empty-stream"),
    pytest.param(Told(headers=SSE, parts=chat_stream("x")[:2]), R.STREAM_TRUNCATED, id="half-a-stream"),
    pytest.param(Told(headers=SSE, parts=(b'data: {"error":{"message":"no"}}\n\n',)), R.UPSTREAM_5XX, id="error-in-stream"),
    pytest.param(Told(parts=(b'{"error":{"message":"bad key","code":401}}',)), R.AUTH, id="error-in-200"),
    pytest.param(Told(status=500), R.UPSTREAM_5XX, id="500"),
    pytest.param(Told(status=401), R.AUTH, id="401"),
    pytest.param(ProviderFailed(provider="p", reason=R.CONNECTION, message="cannot connect"), R.CONNECTION, id="nobody"),
]


@pytest.mark.parametrize(("told", "reason"), NO_ANSWERS)
async def test_d27_d29_what_is_no_answer_is_a_failed_probe_and_never_an_exception(told: Told | ProviderFailed, reason: R) -> None:
    result = await probed(told)

    assert (result.verdict, result.reason) == (ProbeVerdict.FAILED, reason)
    assert result.model == ""


@pytest.mark.parametrize(
    "told",
    [
        Told(status=503, parts=(b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}',)),
        Told(parts=(b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}',)),
        Told(status=500, parts=(b'{"error":"model is still loading"}',)),
    ],
)
async def test_a_model_that_is_being_loaded_is_no_failure(told: Told) -> None:
    assert (await probed(told)).verdict is ProbeVerdict.LOADING


async def test_a_provider_without_a_free_slot_is_busy() -> None:
    rig = a_rig(Told(head_after_s=0.05, headers=SSE, parts=chat_stream("x")), max_concurrency=1)
    prober = a_prober(rig)
    seen: list[ProbeVerdict] = []

    async def probe() -> None:
        seen.append((await prober.probe("p", COMPLETE)).verdict)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(probe)
        nursery.start_soon(probe)

    assert sorted(seen) == [ProbeVerdict.BUSY, ProbeVerdict.OK]
    assert len(rig.client.requests) == 1


async def test_a_probe_is_one_token_with_the_configured_body_and_headers() -> None:
    rig = a_rig(STREAM, extra_body={"keep_alive": "5m", "max_tokens": 999}, append_system_prompt="Be brief.")

    await a_prober(rig).probe("p", COMPLETE)

    assert rig.sent() == {
        "model": "theirs",
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "keep_alive": "5m",
    }
    assert rig.sent_headers()["authorization"] == f"Bearer {KEY}"
    assert rig.client.requests[-1].url == "http://127.0.0.1:1/v1/chat/completions"


async def test_a_messages_probe_has_the_dialect_s_address_and_version() -> None:
    rig = a_rig(Told(headers=SSE, parts=anthropic_stream("x")), kind="anthropic", base_url="https://h/v1")

    await a_prober(rig).probe("p", COMPLETE)

    assert rig.client.requests[-1].url == "https://h/v1/messages"
    assert rig.sent()["max_tokens"] == 1
    assert rig.sent_headers()["anthropic-version"] == "2023-06-01"


async def test_a_provider_that_cannot_stream_is_asked_for_a_whole_answer() -> None:
    rig = a_rig(Told(parts=(chat_reply("x"),)), capabilities=CapabilitiesConfig(streaming=False))

    result = await a_prober(rig).probe("p", COMPLETE)

    assert result.verdict is ProbeVerdict.OK
    assert rig.sent()["stream"] is False


async def test_what_a_server_has_to_answer_takes_a_lease_and_what_knocks_does_not() -> None:
    rig = a_rig(STREAM, **with_restart())
    prober = a_prober(rig, FakeClient([Told()]))

    for cls in (TCP, READY):
        await prober.probe("p", cls)
    assert rig.leases.taken == []

    for cls in (MODELS, COMPLETE):
        await prober.probe("p", cls)
    assert rig.leases.taken == ["p", "p"]


async def test_only_the_caller_s_scope_bounds_a_completion(autojump_clock: MockClock) -> None:
    slow = Told(head_after_s=50, headers=SSE, parts=(60.0, *chat_stream("x")))

    result = await probed(slow, timeout_s=1.0, first_byte_timeout_s=1.0, idle_timeout_s=1.0, total_timeout_s=1.0)

    assert result.verdict is ProbeVerdict.OK
    assert result.latency_ms == pytest.approx(110_000)


# ---- money


@pytest.mark.parametrize(("pays", "allow_paid", "asked"), [(False, True, MODELS), (True, True, COMPLETE), (True, False, MODELS)])
async def test_d16_a_paid_provider_is_asked_for_a_token_only_where_both_settings_say_so(
    pays: bool,  # noqa: FBT001 - a column
    allow_paid: bool,  # noqa: FBT001 - a column
    asked: ProbeClass,
) -> None:
    rig = a_rig(Told(parts=(b'{"data":[]}',)) if asked is MODELS else STREAM, paid=True)
    prober = a_prober(rig, pays=pays, allow_paid=allow_paid)

    result = await prober.probe("p", COMPLETE)
    plan = prober.plan("p")

    assert (result.cls, result.verdict) == (asked, ProbeVerdict.OK)
    assert rig.client.requests[-1].method == ("GET" if asked is MODELS else "POST")
    assert plan is not None
    assert (plan.top, plan.is_paid, plan.is_gated) == (asked, True, not allow_paid)


# ---- models


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b'{"object":"list","data":[{"id":"m"}]}', None),
        (200, b'{"object":"list","data":null}', None),
        (200, b'{"models":[{"name":"m"}]}', None),
        (404, b"not found", None),
        (405, b"", None),
        (501, b"", None),
        (404, b'{"error":"model is loading"}', R.LOADING),
        (200, b"[]", R.BAD_RESPONSE),
        (200, b'{"data":5}', R.BAD_RESPONSE),
        (200, b'{"data":[5]}', R.BAD_RESPONSE),
        (200, b"<html></html>", R.BAD_RESPONSE),
        (200, b'{"error":{"message":"no","code":401}}', R.AUTH),
        (302, b"", R.REDIRECT),
        (401, b"", R.AUTH),
        (503, b'{"error":{"message":"Loading model"}}', R.LOADING),
        (500, b"", R.UPSTREAM_5XX),
    ],
)
async def test_a_list_of_models_is_an_object_with_a_list_or_is_not_offered(status: int, body: bytes, reason: R | None) -> None:
    result = await probed(Told(status=status, headers=JSON, parts=(body,)), MODELS)

    assert result.reason is reason
    assert (result.verdict is ProbeVerdict.OK) is (reason is None)


async def test_a_list_without_end_is_no_list(autojump_clock: MockClock) -> None:
    result = await probed(Told(parts=[b" " * 1024 * 1024] * 9), MODELS)

    assert result.reason is R.BAD_RESPONSE


async def test_the_list_is_asked_with_the_provider_s_key() -> None:
    rig = a_rig(Told(parts=(b'{"data":[]}',)))

    await a_prober(rig).probe("p", MODELS)

    assert rig.client.requests[-1].url == "http://127.0.0.1:1/v1/models"
    assert rig.sent_headers()["authorization"] == f"Bearer {KEY}"


# ---- tcp, ready


async def test_a_connection_is_made_to_the_provider_within_its_own_limit() -> None:
    rig = a_rig(connect_timeout_s=3.0)

    result = await a_prober(rig).probe("p", TCP)

    assert result.verdict is ProbeVerdict.OK
    assert rig.client.reached == [("http://127.0.0.1:1/v1/chat/completions", 3.0)]
    assert rig.client.requests == []


async def test_a_refused_connection_is_a_failed_probe() -> None:
    assert (await probed(ProviderFailed(provider="p", reason=R.CONNECTION), TCP)).reason is R.CONNECTION


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"anything", None),
        (204, b"", None),
        (401, b"", None),
        (302, b"", R.REDIRECT),
        (404, b"", R.MODEL_MISSING),
        (503, b'{"error":{"message":"Loading model"}}', R.LOADING),
        (503, b"", R.UPSTREAM_5XX),
    ],
)
async def test_a_health_url_is_asked_without_the_key_and_its_status_counts(status: int, body: bytes, reason: R | None) -> None:
    rig = a_rig(**with_restart())
    health = FakeClient([Told(status=status, parts=(body,))])

    result = await a_prober(rig, health).probe("p", READY)

    assert result.reason is reason
    assert [(request.url, request.method, request.headers) for request in health.requests] == [
        ("http://127.0.0.1:9/health", "GET", ())
    ]
    assert health.is_closed
    assert rig.client.requests == []


@pytest.mark.parametrize(
    ("keys", "ladder"),
    [({}, (TCP, COMPLETE)), (with_restart(), (READY, COMPLETE)), (with_restart(ready_url=None), (TCP, COMPLETE))],
)
def test_the_ladder_begins_at_the_health_url_where_there_is_one(keys: dict[str, object], ladder: tuple[ProbeClass, ...]) -> None:
    plan = a_prober(a_rig(**keys)).plan("p")

    assert plan is not None
    assert plan.ladder == ladder


# ---- results


@pytest.mark.parametrize("status", [200, 400])
async def test_an_error_is_told_without_secrets_and_in_200_characters(status: int) -> None:
    told = orjson.dumps({"error": {"message": f"key {KEY} " + "x" * 400}})

    result = await probed(Told(status=status, parts=(told,)))

    assert result.message.startswith("key *** xxx")
    assert len(result.message) == 200


async def test_a_stated_reset_is_handed_on() -> None:
    result = await probed(Told(status=429, headers=(("retry-after", "7"),)))

    assert (result.reason, result.retry_after_s) == (R.RATE_LIMIT, 7.0)


async def test_a_provider_that_has_left_the_configuration_says_nothing_of_itself() -> None:
    prober = a_prober(a_rig())

    assert prober.plan("gone") is None
    assert (await prober.probe("gone", COMPLETE)).reason is R.CANCELLED
