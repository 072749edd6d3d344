"""What the attempts of one request come to: the hops, and the headers that tell them."""

from __future__ import annotations

import pytest

from router.errors import ErrorKind, FailureReason, ProviderFailed
from router.routing.chain import Dropped, DropReason, Entry, Plan
from router.routing.trace import Hop, Trace, all_failed_error


def planned(*order: str, dropped: dict[str, DropReason] | None = None, declared: tuple[str, ...] = ()) -> Trace:
    """Return the trace of a request whose plan asks `order` and leaves `dropped` out."""
    trace = Trace(request_id="req_1")
    plan = Plan(
        profile="default",
        order=tuple(Entry(provider=name, rank=(n,)) for n, name in enumerate(order)),
        dropped=tuple(Dropped(provider=name, reason=reason, until=9.0) for name, reason in (dropped or {}).items()),
    )
    trace.take_plan(plan, declared or (*(dropped or {}), *order))
    return trace


def fail(trace: Trace, provider: str, reason: FailureReason = FailureReason.CONNECTION, message: str = "") -> None:
    trace.begin(provider, f"model-of-{provider}")
    trace.fail(ProviderFailed(provider=provider, reason=reason, message=message))


def answer(trace: Trace, provider: str) -> None:
    trace.begin(provider, f"model-of-{provider}")
    trace.commit(1.0)


def fallback(trace: Trace, *, is_over: bool = False) -> dict[str, str]:
    """Return the fallback headers by the last word of their names."""
    prefix = "x-router-fallback-"
    told = trace.headers(is_over=is_over)
    return {name.removeprefix(prefix): value for name, value in told if name.startswith(prefix)}


def test_nothing_is_told_of_a_fallback_when_the_first_provider_answers() -> None:
    trace = planned("a", "b")

    answer(trace, "a")

    assert fallback(trace) == {}


def test_a_resting_provider_ahead_of_the_one_that_answers_was_left() -> None:
    trace = planned("b", dropped={"a": DropReason.RATE_LIMITED})

    answer(trace, "b")

    assert fallback(trace) == {"from": "a", "to": "b", "reason": "rate-limited", "chain": "b"}


@pytest.mark.parametrize("reason", [DropReason.RATE_LIMITED, DropReason.OVERLOADED])
def test_a_resting_provider_behind_the_one_that_answers_was_not_left(reason: DropReason) -> None:
    trace = planned("a", dropped={"b": reason}, declared=("a", "b"))

    answer(trace, "a")

    assert fallback(trace) == {}


@pytest.mark.parametrize("reason", [DropReason.DISABLED, DropReason.MISSING_CREDENTIAL, DropReason.PAID_GATE])
def test_a_provider_that_could_never_answer_was_not_left(reason: DropReason) -> None:
    trace = planned("b", dropped={"a": reason})

    answer(trace, "b")

    assert fallback(trace) == {}


def test_a_single_provider_that_fails_is_no_fallback() -> None:
    trace = planned("a", dropped={"r": DropReason.OVERLOADED})

    fail(trace, "a")

    assert fallback(trace, is_over=True) == {}


def test_a_chain_that_failed_whole_tells_its_way_without_an_end() -> None:
    trace = planned("a", "b")

    fail(trace, "a")
    fail(trace, "b", FailureReason.TIMEOUT)

    assert fallback(trace, is_over=True) == {"from": "a", "reason": "connection,timeout", "chain": "a>b"}


def test_tries_at_the_same_provider_are_no_fallback() -> None:
    trace = planned("a")

    for _ in range(3):
        fail(trace, "a", FailureReason.LOADING)
    answer(trace, "a")

    assert fallback(trace) == {}
    assert dict(trace.headers())["x-router-attempts"] == "4"


def test_tries_at_the_same_provider_are_one_stop_of_the_chain() -> None:
    trace = planned("a", "b")

    fail(trace, "a", FailureReason.LOADING)
    fail(trace, "b")
    fail(trace, "a", FailureReason.LOADING)
    fail(trace, "a", FailureReason.LOADING)
    answer(trace, "a")

    assert fallback(trace) == {"from": "a", "to": "a", "reason": "loading,connection", "chain": "a>b>a"}


def test_a_head_before_commit_tells_only_the_attempts() -> None:
    trace = planned("a", "b")

    fail(trace, "a")
    trace.begin("b", "model-of-b")

    assert trace.headers() == [("x-router-attempts", "2")]


def test_an_error_names_who_was_asked_last() -> None:
    trace = planned("a", "b")

    fail(trace, "a")
    fail(trace, "b")

    told = dict(trace.headers(is_over=True))
    assert (told["x-router-provider"], told["x-router-model"]) == ("b", "model-of-b")


def test_a_model_that_nobody_knows_is_not_told() -> None:
    trace = planned("a")
    trace.begin("a", "")
    trace.commit(1.0)

    assert "x-router-model" not in dict(trace.headers())


def test_a_reply_that_turns_out_to_be_none_was_never_committed() -> None:
    trace = planned("a")
    answer(trace, "a")
    trace.fail(ProviderFailed(provider="a", reason=FailureReason.BAD_RESPONSE))

    assert trace.committed_at is None


def test_each_hop_knows_where_it_led() -> None:
    trace = planned("a", "b", dropped={"r": DropReason.OVERLOADED})

    fail(trace, "a", message="gone")
    fail(trace, "b", FailureReason.TIMEOUT)

    assert trace.hops() == [
        Hop(provider="r", reason="overloaded", to="a", is_rest=True),
        Hop(provider="a", reason="connection", to="b", detail="gone"),
        Hop(provider="b", reason="timeout", to=None),
    ]


def limited(provider: str, retry_after_s: float | None = None) -> ProviderFailed:
    return ProviderFailed(provider=provider, reason=FailureReason.RATE_LIMIT, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("stated", "told_s"),
    [((None,), 20.0), ((7.0,), 7.0), ((None, 90.0), 20.0), ((None, 3.0), 3.0)],
)
def test_the_client_of_a_limited_chain_is_sent_away_until_the_first_rest_is_over(
    stated: tuple[float | None, ...], told_s: float
) -> None:
    failures = tuple(limited(f"p{n}", wait_s) for n, wait_s in enumerate(stated))

    error = all_failed_error("default", failures)

    assert (error.kind, error.retry_after_s) == (ErrorKind.RATE_LIMITED, told_s)


def test_a_mixed_chain_states_no_wait_that_nobody_stated() -> None:
    failures = (limited("a"), ProviderFailed(provider="b", reason=FailureReason.CONNECTION))

    assert all_failed_error("default", failures).retry_after_s is None


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        ((FailureReason.BUDGET, FailureReason.BUDGET), ErrorKind.BUDGET_EXHAUSTED),
        ((FailureReason.BUDGET, FailureReason.RATE_LIMIT), ErrorKind.RATE_LIMITED),
        ((FailureReason.BUDGET, FailureReason.CONNECTION), ErrorKind.ALL_FAILED),
    ],
)
def test_whom_a_budget_stopped_at_the_last_moment_was_not_asked(reasons: tuple[FailureReason, ...], kind: ErrorKind) -> None:
    failures = tuple(
        ProviderFailed(provider=str(n), reason=reason, transient=reason is not FailureReason.BUDGET)
        for n, reason in enumerate(reasons)
    )

    assert all_failed_error("default", failures).kind is kind


def test_a_cap_that_is_only_reserved_comes_free_again() -> None:
    spent = ProviderFailed(provider="a", reason=FailureReason.BUDGET, transient=False)
    reserved = ProviderFailed(provider="b", reason=FailureReason.BUDGET, retry_after_s=1.0)

    error = all_failed_error("default", (spent, reserved))

    assert (error.kind, error.retry_after_s, error.permanent) == (ErrorKind.RATE_LIMITED, 1.0, False)


def test_of_those_that_were_not_asked_five_are_named_and_the_others_counted() -> None:
    skipped = [Dropped(provider=f"p{n}", reason=DropReason.EXCLUDED, detail="said by an upstream") for n in range(7)]

    error = all_failed_error("default", (limited("a"),), skipped=skipped)

    named = ", ".join(f"p{n} excluded" for n in range(5))
    assert error.message == (
        f"profile 'default': every provider that was asked failed: a rate-limit; not asked: {named} and 2 more"
    )


def test_a_chain_that_was_not_walked_to_its_end_is_not_called_every_provider() -> None:
    error = all_failed_error("default", (limited("a"),), is_whole=False)

    assert error.message == "profile 'default': every provider that was asked failed: a rate-limit"
