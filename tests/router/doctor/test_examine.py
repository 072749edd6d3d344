"""The seven probes over real sockets, at scripted servers of all five kinds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from router.config.document import at
from router.config.schema import RestartConfig
from router.config.secret import Secrets
from router.doctor.findings import Finding, exit_code
from router.doctor.questions import CANARY
from router.domain.health import Unconfigured
from tests.builders import a_profile, a_provider
from tests.e2e.daemon import free_port
from tests.router.doctor.cases import COMPLETE, KINDS, MODELS, a_model, can, examined, listed, settings, verdicts
from tests.router.onboarding.local_servers import LLAMA_CPP, VLLM, Page, Pages, open_server

PROBES = ("chat", "num_ctx", "tool_calls", "thinking", "reasoning-leak", "streaming", "cache")


async def at_a_server(kind: str, pages: Mapping[str, Page], **keys: Any) -> list[Finding]:  # noqa: ANN401 - the provider's own keys
    async with open_server(pages) as url:
        return await examined(a_provider("p", kind=kind, base_url=url, model="m", **keys))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_provider_that_is_as_configured_has_nothing_to_mend(kind: str) -> None:
    keys: dict[str, object] = {"max_context_tokens": 32768} if kind == "ollama" else {}
    pages = {COMPLETE[kind]: a_model(kind, CANARY), MODELS[kind]: listed(kind, "m")}

    findings = await at_a_server(kind, pages, capabilities=can(tools=True), **keys)

    told = verdicts(findings)
    assert (told["chat"], told["tool_calls"], told["tool-streaming"]) == ("ok", "ok", "ok")
    assert set(PROBES) <= set(told)
    assert (settings(*findings), exit_code(findings)) == ({}, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("page", "verdict"),
    [
        (401, "auth_fail"),
        (403, "auth_fail"),
        (404, "unsupported"),
        (500, "transport_error"),
        (429, "transport_error"),
        (b"<html>Log in</html>", "transport_error"),
    ],
)
async def test_who_does_not_answer_is_told_apart_and_asked_nothing_else(kind: str, page: Page, verdict: str) -> None:
    told = verdicts(await at_a_server(kind, {COMPLETE[kind]: page}))

    assert told == {name: verdict if name == "chat" else "skip" for name in PROBES}


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ({}, "not checked: only for Ollama, and this is openai_compat"),
        (LLAMA_CPP, ", at llama.cpp's server"),
        (VLLM, ", at vLLM"),
    ],
)
async def test_what_is_not_asked_is_told_as_that_and_as_nothing_of_its_server(pages: Pages, words: str) -> None:
    findings = await at_a_server("openai_compat", {**pages, COMPLETE["openai_compat"]: a_model("openai_compat")})

    told = {one.check: one.seen for one in findings if one.verdict == "skip"}
    assert told["num_ctx"] == told["streaming"]
    assert told["num_ctx"].endswith(words)
    assert all(seen.startswith("not checked: ") for seen in told.values() if "Ollama" in seen or "kind" in seen)


async def test_a_profile_that_gives_up_before_the_server_answers_is_told() -> None:
    answer = a_model("openai_compat")

    def slow(asked: object) -> object:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000)  # some 50 ms of work
        return answer(asked)

    profiles = (a_profile("p", name="hasty", request_deadline_s=0.01), a_profile("p", name="patient"))
    async with open_server({COMPLETE["openai_compat"]: slow}) as url:
        findings = await examined(a_provider("p", base_url=url, model="m"), profiles=profiles)

    (told,) = [one for one in findings if one.check == "time-limit"]
    assert (str(told.verdict), told.settings, exit_code(findings)) == ("needs_tuning", (), 2)
    assert "longer than request_deadline_s of profile hasty, which is 0.01 s" in told.seen
    assert told.advice.startswith("raise request_deadline_s of profile hasty to 30")


async def test_a_closed_door_blocks() -> None:
    findings = await examined(a_provider("p", base_url=f"http://127.0.0.1:{free_port()}", model="m"))

    assert (verdicts(findings)["chat"], exit_code(findings)) == ("transport_error", 1)


async def test_a_managed_server_that_nobody_has_asked_for_is_no_fault() -> None:
    restart = RestartConfig(mode="managed", argv=("server",))
    findings = await examined(a_provider("p", base_url=f"http://127.0.0.1:{free_port()}", model="m", restart=restart))

    assert (set(verdicts(findings).values()), exit_code(findings)) == ({"skip"}, 0)


async def test_a_provider_without_its_key_is_not_asked() -> None:
    missing = Unconfigured(reason="missing-credential", detail="api_key_env: the variable K is not set")
    findings = await examined(a_provider("p", model="m"), Secrets(unconfigured={"p": missing}))

    assert verdicts(findings) == {name: "auth_fail" if name == "chat" else "skip" for name in PROBES}


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        ("openai_compat", "{}/v2", "{}/v1"),
        ("openai_compat", "{}/v1/chat/completions", "{}/v1"),
        ("openai_responses", "{}/openai", "{}/v1"),
        ("anthropic", "{}/anthropic", "{}"),
        ("gemini", "{}/google", "{}"),
        ("ollama", "{}/ollama", "{}"),
    ],
)
async def test_a_wrong_path_is_found_and_what_is_behind_it_is_asked_at_once(kind: str, wrong: str, right: str) -> None:
    pages = {COMPLETE[kind]: a_model(kind), MODELS[kind]: listed(kind, "m")}
    async with open_server(pages) as url:
        findings = await examined(a_provider("p", kind=kind, base_url=wrong.format(url), model="m"))

    assert [str(one.verdict) for one in findings if one.check == "chat"] == ["unsupported", "ok"]
    assert settings(findings[0]) == {"base_url": right.format(url)}
    assert exit_code(findings) == 1


@pytest.mark.parametrize("kind", ["openai_compat", "ollama"])
async def test_a_model_of_another_name_is_found(kind: str) -> None:
    answer = a_model(kind)

    def only(asked: object) -> object:
        return answer(asked) if isinstance(asked, dict) and asked["model"] == "qwen3-coder:30b" else 404

    async with open_server({COMPLETE[kind]: only, MODELS[kind]: listed(kind, "qwen3-coder:30b", "nomic-embed-text")}) as url:
        findings = await examined(a_provider("p", kind=kind, base_url=url, model="qwen3-coder"))

    assert settings(findings[0]) == {"model": "qwen3-coder:30b"}
    assert str(findings[1].verdict) == "ok"


@pytest.mark.parametrize(
    ("kind", "declared", "model", "verdict", "mends"),
    [
        ("openai_compat", True, {"call": ()}, "needs_tuning", {"capabilities.tools": False}),
        ("openai_compat", False, {}, "needs_tuning", {"capabilities.tools": True}),
        ("openai_compat", False, {"call": ()}, "ok", {}),
        ("gemini", False, {}, "needs_tuning", {"capabilities.tools": True}),
        ("anthropic", True, {"call": ()}, "needs_tuning", {"capabilities.tools": False}),
        ("ollama", False, {}, "needs_tuning", {"capabilities.tools": True}),
        ("openai_responses", True, {"call": ()}, "needs_tuning", {"capabilities.tools": False}),
    ],
)
async def test_what_is_said_of_tools_is_held_against_what_it_does(
    *, kind: str, declared: bool, model: dict[str, Any], verdict: str, mends: dict[str, object]
) -> None:
    findings = await at_a_server(kind, {COMPLETE[kind]: a_model(kind, **model)}, capabilities=can(tools=declared))

    tools = next(one for one in findings if one.check == "tool_calls")
    assert (str(tools.verdict), settings(tools)) == (verdict, mends)


async def test_calls_that_a_stream_loses_are_asked_for_whole() -> None:
    page = a_model("openai_compat", streams_calls=False)
    findings = await at_a_server("openai_compat", {COMPLETE["openai_compat"]: page}, capabilities=can(tools=True))

    streaming = next(one for one in findings if one.check == "tool-streaming")
    assert (str(streaming.verdict), settings(streaming)) == ("needs_tuning", {"tool_stream": "buffered"})


@pytest.mark.parametrize(
    ("declared", "refuses", "verdict"),
    [(True, False, "ok"), (True, True, "needs_tuning"), (False, True, "ok"), (False, False, "needs_tuning")],
)
async def test_thinking_is_asked_of_a_messages_provider(*, declared: bool, refuses: bool, verdict: str) -> None:
    page = a_model("anthropic", refuses_thinking=refuses)
    findings = await at_a_server("anthropic", {COMPLETE["anthropic"]: page}, capabilities=can(thinking=declared))

    assert verdicts(findings)["thinking"] == verdict


@pytest.mark.parametrize(("caches", "verdict"), [(True, "ok"), (False, "needs_tuning")])
async def test_a_declared_cache_is_tried(*, caches: bool, verdict: str) -> None:
    page = a_model("anthropic", caches=caches)
    findings = await at_a_server("anthropic", {COMPLETE["anthropic"]: page}, capabilities=can(prompt_cache=True))

    assert verdicts(findings)["cache"] == verdict


@pytest.mark.parametrize(("pages", "given"), [(LLAMA_CPP, 65536), (VLLM, 40960)], ids=["llama.cpp", "vLLM"])
async def test_the_window_that_a_server_gives_is_asked_for(pages: Pages, given: int) -> None:
    name = at(pages["/v1/models"], ("data", 0, "id"))
    async with open_server({**pages, COMPLETE["openai_compat"]: a_model("openai_compat")}) as url:
        findings = await examined(a_provider("p", base_url=url, model=name, max_context_tokens=131072))

    context = next(one for one in findings if one.check == "context-size")
    assert (str(context.verdict), settings(context)) == ("needs_tuning", {"max_context_tokens": given})
