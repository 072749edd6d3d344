"""Walking a plan with scripted providers, on the virtual clock."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from router.config.schema import ProfileConfig, ProviderConfig
from router.domain.events import Usage
from router.errors import (
    ContextOverflow,
    ErrorKind,
    FailureReason,
    NoProviderAvailable,
    ProviderFailed,
    UpstreamClientError,
)
from router.ports import Provider, UpstreamCall
from router.routing.chain import Entry, Plan
from router.routing.dispatch import Answer, Ask, Upstreams, Walk
from router.routing.relay import RelayEnd
from router.routing.trace import Trace
from router.wire.registry import DIALECTS
from tests.builders import (
    CHAT,
    RememberingObserver,
    RememberingSink,
    Script,
    ScriptedProvider,
    a_profile,
    a_provider,
    chat_chunk,
    chat_reply,
    chat_stream,
)

GOOD_STREAM = Script(chunks=chat_stream("hello"))
GOOD_REPLY = Script(chunks=[chat_reply("hello")], is_event_stream=False)
DONE = b"data: [DONE]\n\n"


def failing(reason: FailureReason, *, provider: str = "a", **facts: object) -> ProviderFailed:
    return ProviderFailed(provider=provider, reason=reason, **facts)  # type: ignore[arg-type]  # facts by name


@define(kw_only=True)
class Rig:
    """A chain of scripted providers, and what became of one request."""

    providers: Sequence[ScriptedProvider]
    configs: Sequence[ProviderConfig] = ()
    profile: ProfileConfig = field(factory=lambda: a_profile("a", "b", "c"))
    is_stream: bool = True
    shows_thinking: bool = False
    sink: RememberingSink = field(factory=RememberingSink)
    observer: RememberingObserver = field(factory=RememberingObserver)
    answers: list[Answer] = field(factory=list)
    trace: Trace = field(factory=lambda: Trace(request_id="req_1"))
    end: RelayEnd = field(factory=lambda: RelayEnd(usage=Usage()))

    async def run(self) -> str:
        """Return the name of the provider whose answer was delivered."""
        configs = {c.name: c for c in self.configs} | {
            p.name: a_provider(p.name) for p in self.providers if p.name not in {c.name for c in self.configs}
        }
        walk = Walk(
            plan=Plan(
                profile="default",
                order=tuple(Entry(provider=p.name, rank=(n,)) for n, p in enumerate(self.providers)),
            ),
            ask=Ask(
                profile=self.profile,
                is_stream=self.is_stream,
                call=self._call,
                shows_thinking=lambda _config: self.shows_thinking,
            ),
            upstreams=Upstreams(
                providers={p.name: p for p in self.providers},
                configs=configs,
                dialects={p.name: DIALECTS[p.dialect] for p in self.providers},
                sink=self.sink,
                observer=self.observer,
                random=lambda: 0.5,
            ),
            trace=self.trace,
        )
        await walk.run(self._deliver)
        return self.answers[-1].provider.name

    def _call(self, provider: Provider, config: ProviderConfig) -> UpstreamCall:
        del provider, config
        return UpstreamCall(neutral=None, same_dialect_body=b"{}", client_dialect=CHAT, client_headers={}, stream=self.is_stream)

    async def _deliver(self, answer: Answer) -> RelayEnd:
        self.answers.append(answer)
        await trio.lowlevel.checkpoint()
        return self.end


def provider(name: str, *scripts: Script) -> ScriptedProvider:
    return ScriptedProvider(name=name, scripts=scripts)


def refusing(name: str, reason: FailureReason, **facts: object) -> ScriptedProvider:
    return provider(name, Script(refusal=failing(reason, provider=name, **facts)))


async def test_the_first_provider_answers_and_nobody_else_is_asked() -> None:
    rig = Rig(providers=[provider("a", GOOD_STREAM), provider("b", GOOD_STREAM)])

    assert await rig.run() == "a"
    assert rig.providers[1].calls == []
    assert dict(rig.trace.headers()) == {
        "x-router-attempts": "1",
        "x-router-provider": "a",
        "x-router-model": "model-of-a",
    }


@pytest.mark.parametrize(
    "reason",
    [
        FailureReason.CONNECTION,
        FailureReason.TIMEOUT,
        FailureReason.UPSTREAM_5XX,
        FailureReason.BAD_RESPONSE,
        FailureReason.RATE_LIMIT,
        FailureReason.OVERLOADED,
        FailureReason.AUTH,
        FailureReason.PAYMENT_REQUIRED,
        FailureReason.OUT_OF_MEMORY,
        FailureReason.LOADING,
        FailureReason.TOO_LARGE,
        FailureReason.UNSUPPORTED_PARAMETER,
        FailureReason.MODEL_MISSING,
        FailureReason.BUSY,
        FailureReason.CONTEXT_OVERFLOW,
    ],
)
async def test_a_failure_before_commit_asks_the_next_provider(reason: FailureReason) -> None:
    rig = Rig(providers=[refusing("a", reason), provider("b", GOOD_STREAM)])

    assert await rig.run() == "b"
    failed, answered = rig.sink.attempts
    assert failed.failure is not None
    assert failed.failure.reason is reason
    assert answered.is_ok


async def test_the_way_is_told_in_headers_when_the_chain_moved() -> None:
    rig = Rig(
        providers=[
            refusing("a", FailureReason.CONNECTION),
            refusing("b", FailureReason.OVERLOADED),
            provider("c", GOOD_STREAM),
        ]
    )

    await rig.run()

    assert dict(rig.trace.headers()) == {
        "x-router-attempts": "3",
        "x-router-provider": "c",
        "x-router-model": "model-of-c",
        "x-router-fallback-from": "a",
        "x-router-fallback-to": "c",
        "x-router-fallback-reason": "connection,overloaded",
        "x-router-fallback-chain": "a>b>c",
    }


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([], FailureReason.EMPTY_STREAM),
        ([DONE], FailureReason.EMPTY_STREAM),
        ([chat_chunk({"role": "assistant"})], FailureReason.STREAM_TRUNCATED),
        ([chat_chunk({}, finish="stop"), DONE], FailureReason.EMPTY_RESPONSE),
        ([chat_chunk({"reasoning_content": "hm"}), chat_chunk({}, finish="stop"), DONE], FailureReason.EMPTY_RESPONSE),
        ([b'data: {"error":{"message":"busy","code":529}}\n\n'], FailureReason.OVERLOADED),
        ([chat_chunk({"role": "assistant"}), failing(FailureReason.CONNECTION)], FailureReason.CONNECTION),
        ([b"data: <html>\n\n"] * 9, FailureReason.BAD_RESPONSE),
    ],
)
async def test_a_stream_that_dies_before_content_falls_over(
    chunks: list[bytes | float | ProviderFailed], reason: FailureReason
) -> None:
    rig = Rig(providers=[provider("a", Script(chunks=chunks)), provider("b", GOOD_STREAM)])

    assert await rig.run() == "b"
    failure = rig.sink.attempts[0].failure
    assert failure is not None
    assert failure.reason is reason
    assert rig.providers[0].open_now == 0


async def test_first_event_gives_up_that_protection() -> None:
    truncated = Script(chunks=[chat_chunk({"role": "assistant"})])
    rig = Rig(
        providers=[provider("a", truncated), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", commit_policy="first_event"),
    )

    assert await rig.run() == "a"


@pytest.mark.parametrize(("action", "answers"), [("off", "a"), ("warn", "a"), ("fallback", "b")])
@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_without_content_is_the_profiles_to_judge(action: str, answers: str, *, is_stream: bool) -> None:
    empty_stream = Script(chunks=[chat_chunk({}, finish="stop"), DONE])
    empty_reply = Script(chunks=[chat_reply("")], is_event_stream=False)
    rig = Rig(
        providers=[
            provider("a", empty_stream if is_stream else empty_reply),
            provider("b", GOOD_STREAM if is_stream else GOOD_REPLY),
        ],
        profile=a_profile("a", "b", empty_response_action=action),
        is_stream=is_stream,
    )

    assert await rig.run() == answers


@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_answer_without_content_passes_when_nobody_is_left_to_do_better(*, is_stream: bool) -> None:
    empty = Script(chunks=[chat_chunk({}, finish="stop"), DONE] if is_stream else [chat_reply("")], is_event_stream=is_stream)
    rig = Rig(providers=[refusing("a", FailureReason.CONNECTION), provider("b", empty)], is_stream=is_stream)

    assert await rig.run() == "b"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", FailureReason.BAD_RESPONSE),
        (b"[]", FailureReason.BAD_RESPONSE),
        (b'{"choices":5}', FailureReason.BAD_RESPONSE),
        (b'{"error":{"message":"slow down","code":429}}', FailureReason.RATE_LIMIT),
    ],
)
async def test_a_reply_that_is_no_answer_falls_over(body: bytes, reason: FailureReason) -> None:
    nonsense = Script(chunks=[body], is_event_stream=False)
    rig = Rig(providers=[provider("a", nonsense), provider("b", GOOD_REPLY)], is_stream=False)

    assert await rig.run() == "b"
    failure = rig.sink.attempts[0].failure
    assert failure is not None
    assert failure.reason is reason


async def test_a_whole_reply_to_a_stream_request_is_an_answer() -> None:
    rig = Rig(providers=[provider("a", GOOD_REPLY)])

    await rig.run()

    assert rig.answers[0].document == orjson.loads(chat_reply("hello"))


async def test_a_clients_own_mistake_ends_the_chain_in_the_upstreams_words() -> None:
    mistake = refusing("a", FailureReason.CLIENT_ERROR, status=400, message="no such thing", body=b'{"error":1}')
    rig = Rig(providers=[mistake, provider("b", GOOD_STREAM)])

    with pytest.raises(UpstreamClientError) as caught:
        await rig.run()

    assert (caught.value.status, caught.value.message, caught.value.body) == (400, "no such thing", b'{"error":1}')
    assert rig.providers[1].calls == []


async def test_a_redirect_is_never_followed_and_never_passed_on_to_the_next() -> None:
    rig = Rig(providers=[refusing("a", FailureReason.REDIRECT, status=302), provider("b", GOOD_STREAM)])

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert rig.providers[1].calls == []


@pytest.mark.parametrize("status", [401, 403, 404, 429, 529])
async def test_a_stop_by_policy_never_shows_a_status_that_concerns_the_router(status: int) -> None:
    rig = Rig(
        providers=[refusing("a", FailureReason.AUTH, status=status), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", stop_statuses=(status,)),
    )

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert rig.providers[1].calls == []


async def test_a_profile_may_pass_client_errors_on_to_the_next() -> None:
    rig = Rig(
        providers=[refusing("a", FailureReason.CLIENT_ERROR, status=400), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", fallback_on_client_error=True),
    )

    assert await rig.run() == "b"


async def test_an_overflow_that_fits_nobody_later_says_so_in_the_words_that_make_clients_compact() -> None:
    overflow = refusing("a", FailureReason.CONTEXT_OVERFLOW, status=400, message="request (6024 tokens) exceeds 4096 ctx")
    rig = Rig(
        providers=[overflow, provider("b", GOOD_STREAM)],
        configs=[a_provider("a", max_context_tokens=4096), a_provider("b", max_context_tokens=4096)],
    )

    with pytest.raises(ContextOverflow) as caught:
        await rig.run()

    assert caught.value.message == "prompt is too long: 6024 tokens > 4096 maximum"


async def test_an_overflow_behind_dead_providers_is_still_told_as_an_overflow() -> None:
    rig = Rig(
        providers=[
            refusing("a", FailureReason.CONNECTION),
            refusing("b", FailureReason.CONTEXT_OVERFLOW, message="too long"),
        ]
    )

    with pytest.raises(ContextOverflow):
        await rig.run()


async def test_an_overflow_before_a_dead_larger_provider_may_be_tried_again() -> None:
    rig = Rig(
        providers=[
            refusing("a", FailureReason.CONTEXT_OVERFLOW, message="too long", transient=False),
            refusing("b", FailureReason.CONNECTION),
        ]
    )

    with pytest.raises(NoProviderAvailable):
        await rig.run()


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        ((FailureReason.RATE_LIMIT, FailureReason.RATE_LIMIT), ErrorKind.RATE_LIMITED),
        ((FailureReason.TIMEOUT, FailureReason.TTFT_TIMEOUT), ErrorKind.TIMEOUT),
        ((FailureReason.OVERLOADED, FailureReason.OVERLOADED), ErrorKind.ALL_OVERLOADED),
        ((FailureReason.BUSY, FailureReason.BUSY), ErrorKind.ALL_EXCLUDED),
        ((FailureReason.AUTH, FailureReason.CONNECTION), ErrorKind.ALL_FAILED),
    ],
)
async def test_a_chain_that_failed_whole_is_told_by_its_reasons(
    reasons: tuple[FailureReason, ...], kind: ErrorKind, autojump_clock: MockClock
) -> None:
    del autojump_clock
    rig = Rig(providers=[refusing(f"p{n}", reason, retry_after_s=7.0) for n, reason in enumerate(reasons)])

    with pytest.raises(NoProviderAvailable) as caught:
        await rig.run()

    assert (caught.value.kind, caught.value.retry_after_s) == (kind, 7.0)


@pytest.mark.parametrize(("transient", "permanent"), [(True, False), (False, True)])
async def test_a_client_is_told_whether_a_repeat_may_help(*, transient: bool, permanent: bool) -> None:
    rig = Rig(providers=[refusing("a", FailureReason.MODEL_MISSING, transient=transient)])

    with pytest.raises(NoProviderAvailable) as caught:
        await rig.run()

    assert caught.value.permanent is permanent


async def test_uniform_auth_failures_are_warned_about_as_a_misconfiguration() -> None:
    rig = Rig(providers=[refusing("a", FailureReason.AUTH, status=401), refusing("b", FailureReason.AUTH, status=401)])

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    (warning,) = rig.observer.named("chain-uniform-auth-failure")
    assert warning["providers"] == ["a", "b"]


async def test_an_overloaded_last_provider_gets_one_more_try_after_a_second(autojump_clock: MockClock) -> None:
    del autojump_clock
    busy = Script(refusal=failing(FailureReason.OVERLOADED))
    rig = Rig(providers=[provider("a", busy, GOOD_STREAM)])

    assert await rig.run() == "a"
    assert trio.current_time() == pytest.approx(1.0, abs=0.01)
    assert len(rig.sink.attempts) == 2


async def test_a_loading_backend_is_waited_for_when_nobody_else_answers(autojump_clock: MockClock) -> None:
    del autojump_clock
    loading = Script(refusal=failing(FailureReason.LOADING, status=503))
    rig = Rig(providers=[provider("a", loading, loading, loading, GOOD_STREAM)])

    assert await rig.run() == "a"
    assert trio.current_time() == pytest.approx(3.0, abs=0.01)


async def test_waiting_for_a_loading_backend_ends_at_its_first_byte_limit(autojump_clock: MockClock) -> None:
    del autojump_clock
    rig = Rig(providers=[refusing("a", FailureReason.LOADING)], configs=[a_provider("a", first_byte_timeout_s=10)])

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert trio.current_time() == pytest.approx(10.0, abs=1.01)


async def test_a_silent_stream_is_left_for_the_next_provider(autojump_clock: MockClock) -> None:
    del autojump_clock
    silent = Script(chunks=[chat_chunk({"role": "assistant"}), 60.0, *chat_stream("late")])
    rig = Rig(
        providers=[provider("a", silent), provider("b", GOOD_STREAM)],
        configs=[a_provider("a", first_content_timeout_s=5)],
    )

    assert await rig.run() == "b"
    assert rig.sink.attempts[0].failure is not None
    assert rig.sink.attempts[0].failure.reason is FailureReason.TTFT_TIMEOUT
    assert trio.current_time() == pytest.approx(5.0, abs=0.01)
    assert rig.providers[0].open_now == 0


async def test_the_last_provider_is_never_cut_for_its_silence(autojump_clock: MockClock) -> None:
    del autojump_clock
    slow = Script(chunks=[60.0, *chat_stream("late")])
    rig = Rig(providers=[provider("a", slow)], configs=[a_provider("a", first_content_timeout_s=5)])

    assert await rig.run() == "a"


async def test_the_first_content_limit_ends_with_the_commit(autojump_clock: MockClock) -> None:
    del autojump_clock

    @define(kw_only=True)
    class SlowRig(Rig):
        async def _deliver(self, answer: Answer) -> RelayEnd:
            await trio.sleep(60)
            return await super()._deliver(answer)

    rig = SlowRig(
        providers=[provider("a", GOOD_STREAM), provider("b", GOOD_STREAM)],
        configs=[a_provider("a", first_content_timeout_s=5)],
    )

    assert await rig.run() == "a"


async def test_a_failure_after_commit_is_the_providers_and_nobody_else_is_asked() -> None:
    broken = failing(FailureReason.STREAM_TRUNCATED)
    rig = Rig(
        providers=[provider("a", GOOD_STREAM), provider("b", GOOD_STREAM)],
        end=RelayEnd(usage=Usage(), failure=broken),
    )

    assert await rig.run() == "a"
    assert rig.sink.attempts[0].failure is broken
    assert rig.providers[1].calls == []
    assert rig.observer.named("provider-failed-midstream")


async def test_a_cancelled_attempt_is_nobodys_failure() -> None:
    rig = Rig(providers=[provider("a", Script(chunks=[60.0]))])

    with trio.move_on_after(0.01):
        await rig.run()

    (attempt,) = rig.sink.attempts
    assert (attempt.is_ok, attempt.failure) == (False, None)
    assert rig.providers[0].open_now == 0


async def test_max_attempts_bounds_the_chain() -> None:
    rig = Rig(
        providers=[refusing("a", FailureReason.CONNECTION), provider("b", GOOD_STREAM)],
        profile=a_profile("a", "b", max_attempts=1),
    )

    with pytest.raises(NoProviderAvailable):
        await rig.run()

    assert rig.providers[1].calls == []
