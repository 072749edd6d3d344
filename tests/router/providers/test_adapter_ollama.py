"""An Ollama behind the adapter: where its requests go, what they say of the window, and lines that come back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.domain.health_events import ProbeVerdict
from router.domain.probe import ProbeClass
from router.domain.request import DialectName, ThinkingMode
from router.providers.probe import probe_plan
from tests.builders import a_config
from tests.router.providers.fake_http import Told
from tests.router.providers.rig import Rig, a_rig, same_dialect, translated
from tests.router.providers.test_probe import a_prober

LINES = (("content-type", "application/x-ndjson"),)
TEXT = b'{"model":"theirs","created_at":"2026-11-22T00:00:00Z","message":{"role":"assistant","content":"hi"},"done":false}\n'
LAST = b'{"model":"theirs","created_at":"2026-11-22T00:00:00Z","done":true,"done_reason":"stop","eval_count":1}\n'
OWN = b'{"model":"asked","messages":[{"role":"user","content":"hi"}]}'


def ollama(*answers: Told, **keys: object) -> Rig:
    return a_rig(*answers, **{"kind": "ollama", "base_url": "http://127.0.0.1:11434", **keys})


async def sent(*, is_own: bool = False, body: bytes = OWN, **keys: object) -> dict[str, Any]:
    rig = ollama(Told(headers=LINES, parts=(LAST,)), **keys)
    call = same_dialect(body, DialectName.OLLAMA, stream=True) if is_own else translated(stream=True)
    await rig.frames(call)
    return rig.sent()


async def test_a_stream_is_lines_in_any_cut() -> None:
    rig = ollama(Told(headers=LINES, parts=(TEXT[:20], TEXT[20:] + LAST[:5], LAST[5:])))

    frames = await rig.frames(translated(stream=True))

    assert [frame.raw for frame in frames] == [TEXT, LAST]
    assert rig.client.requests[0].url == "http://127.0.0.1:11434/api/chat"


@pytest.mark.parametrize("is_own", [True, False])
async def test_the_configured_window_and_time_go_into_every_body(*, is_own: bool) -> None:
    body = await sent(is_own=is_own, max_context_tokens=16384, keep_alive="10m")

    assert body["options"]["num_ctx"] == 16384
    assert (body["keep_alive"], body["model"], body["stream"]) == ("10m", "theirs", True)


@pytest.mark.parametrize("is_own", [True, False])
async def test_without_a_configured_window_the_server_decides(*, is_own: bool) -> None:
    body = await sent(is_own=is_own)

    assert "num_ctx" not in body.get("options", {})
    assert "keep_alive" not in body


async def test_limits_of_the_request_stand_beside_the_window() -> None:
    assert (await sent(max_context_tokens=16384))["options"] == {"num_ctx": 16384, "num_predict": 7}


async def test_what_extra_body_says_of_the_window_counts_and_what_the_client_says_counts_more() -> None:
    extra: dict[str, object] = {"options": {"num_ctx": 2048, "num_gpu": 0}, "keep_alive": 5}
    own = b'{"model":"m","messages":[],"keep_alive":-1,"options":{"num_ctx":1024}}'

    body = await sent(extra_body=extra, max_context_tokens=16384, keep_alive="10m")
    own_body = await sent(is_own=True, body=own, extra_body=extra, max_context_tokens=16384)

    assert (body["options"], body["keep_alive"]) == ({"num_ctx": 2048, "num_gpu": 0, "num_predict": 7}, 5)
    assert (own_body["options"], own_body["keep_alive"]) == ({"num_ctx": 1024, "num_gpu": 0}, -1)


async def test_a_list_of_allowed_fields_keeps_neither_from_the_server() -> None:
    body = await sent(max_context_tokens=16384, keep_alive=0, allow_fields=("think",))

    assert (body["options"]["num_ctx"], body["keep_alive"]) == (16384, 0)


async def test_a_model_that_cannot_think_is_asked_to_once() -> None:
    refusal = Told(status=400, parts=(b'{"error":"\\"theirs\\" does not support thinking"}',))
    rig = ollama(refusal, Told(headers=LINES, parts=(LAST,)), Told(headers=LINES, parts=(LAST,)))
    asked = translated(stream=True, thinking=ThinkingMode.ADAPTIVE)

    for _ in range(2):
        await rig.frames(asked)

    assert ["think" in rig.sent(index) for index in range(3)] == [True, False, False]
    assert [dict(event)["dropped"] for event in rig.observer.named("capability-degraded")] == [["think"]]


async def test_another_kind_of_provider_gets_neither() -> None:
    rig = a_rig(Told(parts=(b"{}",)), max_context_tokens=16384)
    await rig.body(translated())

    assert not {"options", "keep_alive"} & rig.sent().keys()


async def test_a_whole_answer_is_probed_with_one_token() -> None:
    rig = ollama(Told(headers=LINES, parts=(TEXT, LAST)))

    result = await a_prober(rig).probe("p", ProbeClass.COMPLETE)

    assert (result.verdict, result.model) == (ProbeVerdict.OK, "theirs")
    assert rig.sent()["options"] == {"num_predict": 1}


async def test_its_list_of_models_is_one() -> None:
    rig = ollama(Told(parts=(orjson.dumps({"models": [{"name": "theirs:latest"}]}),)))

    result = await a_prober(rig).probe("p", ProbeClass.MODELS)

    assert result.verdict is ProbeVerdict.OK
    assert rig.client.requests[0].url == "http://127.0.0.1:11434/api/tags"


def test_a_routine_probe_neither_loads_a_model_nor_keeps_it_loaded() -> None:
    def plan_of(**keys: object) -> tuple[ProbeClass, ProbeClass]:
        config = a_rig(**keys).provider.config
        plan = probe_plan(config, a_config(config))
        return plan.routine, plan.top

    assert plan_of(kind="ollama") == (ProbeClass.MODELS, ProbeClass.COMPLETE)
    assert plan_of() == (ProbeClass.COMPLETE, ProbeClass.COMPLETE)
