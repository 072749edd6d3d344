"""What L1 does with a conversation, by how full it makes the window (supervision.md 2)."""

from __future__ import annotations

from typing import Literal

import pytest
from attrs import evolve

from router.config.schema import ProfileConfig
from router.domain.messages import Message, Role, Text, Tool
from router.domain.request import DialectName, NeutralRequest
from router.errors import ErrorKind
from router.guards.context_budget import (
    BudgetRules,
    BudgetVerdict,
    apply,
    budget_events,
    budget_header,
    client_indices,
    judge,
    overflow_error,
    reserve_for,
    usable_window,
)
from router.guards.tokens import Weights, count_tokens_request

Action = Literal["off", "warn", "trim", "reject"]


def a_request(messages: int = 21) -> NeutralRequest:
    """Return messages of user and assistant, of about 100 tokens each."""
    text = "words of the usual length that fill a line " * 9
    roles = (Role.USER, Role.ASSISTANT)
    said = tuple(Message(role=roles[n % 2], content=(Text(f"{text}{n}"),), path=f"messages[{n + 1}]") for n in range(messages))
    return NeutralRequest(dialect=DialectName.OPENAI_CHAT, messages=said)


REQUEST = a_request()
COUNT = count_tokens_request(REQUEST)


def verdict_at(ratio: float, action: Action, *, is_compaction: bool = False) -> BudgetVerdict:
    """Return the verdict for a window of which the request is that part."""
    return judge(REQUEST, window=round(COUNT / ratio), rules=BudgetRules(action=action), is_compaction=is_compaction)


def test_the_rules_are_those_of_the_profile() -> None:
    assert BudgetRules.of(ProfileConfig(name="p", providers=("a",))) == BudgetRules()
    profile = ProfileConfig(
        name="p",
        providers=("a",),
        context_budget_action="reject",
        context_budget_warn_threshold=0.5,
        context_budget_trim_threshold=0.7,
        context_budget_trim_target=0.6,
        context_budget_preserve_last_n=9,
    )

    assert BudgetRules.of(profile) == BudgetRules(action="reject", warn=0.5, trim=0.7, target=0.6, preserve_last_n=9)


@pytest.mark.parametrize(
    ("action", "ratio", "state"),
    [
        ("off", 0.5, "ok"),
        ("off", 2.0, "ok"),
        ("warn", 0.79, "ok"),
        ("warn", 0.81, "warning"),
        ("warn", 2.0, "warning"),
        ("trim", 0.79, "ok"),
        ("trim", 0.81, "warning"),
        ("trim", 0.89, "warning"),
        ("trim", 0.91, "trimmed"),
        ("trim", 9.0, "trimmed"),
        ("reject", 0.79, "ok"),
        ("reject", 0.89, "warning"),
        ("reject", 0.91, "reject"),
        ("reject", 9.0, "reject"),
    ],
)
def test_the_state_follows_from_how_full_the_window_is(action: Action, ratio: float, state: str) -> None:
    verdict = verdict_at(ratio, action)

    assert verdict.state == state
    assert verdict.ratio == pytest.approx(ratio, rel=0.01)
    assert verdict.estimated == COUNT
    assert bool(verdict.removed) is (state == "trimmed")


@pytest.mark.parametrize(
    ("action", "ratio", "state"),
    [
        ("warn", 1.5, "warning"),
        ("trim", 0.95, "warning"),
        ("trim", 0.99, "warning"),
        ("trim", 1.02, "trimmed"),
        ("reject", 0.95, "warning"),
        ("reject", 0.99, "warning"),
        ("reject", 1.02, "trimmed"),
    ],
)
def test_a_compaction_has_all_of_the_window_and_is_never_refused(action: Action, ratio: float, state: str) -> None:
    verdict = verdict_at(ratio, action, is_compaction=True)

    assert verdict.state == state
    assert state == "warning" or 0.8 * verdict.window < verdict.after < 0.9 * verdict.window


def test_a_window_is_full_at_the_very_threshold() -> None:
    rules = BudgetRules(action="reject", warn=0.5, trim=0.5, target=0.4)

    assert judge(REQUEST, window=2 * COUNT, rules=rules).state == "reject"
    assert judge(REQUEST, window=2 * COUNT + 2, rules=rules).state == "ok"


def test_trimming_brings_the_estimate_below_the_target() -> None:
    verdict = verdict_at(0.95, "trim")
    trimmed = apply(REQUEST, verdict)

    assert verdict.after == pytest.approx(count_tokens_request(trimmed), abs=1)
    assert 0.5 * verdict.window < verdict.after < 0.75 * verdict.window
    assert (verdict.messages_before, verdict.messages_after) == (21, len(trimmed.messages))
    assert trimmed.messages == REQUEST.messages[len(verdict.removed) :]


def test_what_is_kept_for_the_answer_is_no_part_of_the_window() -> None:
    window = round(COUNT / 0.7)

    assert judge(REQUEST, window=window, rules=BudgetRules(action="trim")).state == "ok"
    assert judge(REQUEST, window=window, rules=BudgetRules(action="trim"), reserve=window // 4).state == "trimmed"


def test_tools_and_instructions_count() -> None:
    window = round(COUNT / 0.7)
    longer = evolve(REQUEST, tools=(Tool(name="t", description="a long text " * COUNT),))
    told = evolve(REQUEST, system=("a long text " * COUNT,))

    states = [judge(request, window=window, rules=BudgetRules(action="reject")).state for request in (REQUEST, longer, told)]
    assert states == ["ok", "reject", "reject"]


def test_the_weights_of_the_provider_count() -> None:
    window = round(COUNT / 0.7)

    verdict = judge(REQUEST, window=window, rules=BudgetRules(action="trim"), weights=Weights(factor=1.5))

    assert verdict.state == "trimmed"
    assert verdict.estimated == pytest.approx(1.5 * COUNT, rel=0.05)
    assert verdict.after < 0.75 * window


def test_what_cannot_be_cut_is_warned_about() -> None:
    request = a_request(messages=2)

    verdict = judge(request, window=100, rules=BudgetRules(action="trim"))

    assert (verdict.state, verdict.removed) == ("warning", ())
    assert apply(request, verdict) is request


def test_a_conversation_without_a_message_that_could_lead_begins_with_the_placeholder() -> None:
    only_answers = tuple(evolve(message, role=Role.ASSISTANT) for message in REQUEST.messages)
    request = evolve(REQUEST, messages=only_answers)
    verdict = judge(request, window=round(COUNT / 2), rules=BudgetRules(action="trim"))

    first = apply(request, verdict).messages[0]

    assert (first.role, first.content) == (Role.USER, (Text(verdict.synthetic or ""),))
    assert "cut" in (verdict.synthetic or "")


def test_the_items_of_the_client_are_told_by_their_own_places() -> None:
    verdict = verdict_at(0.95, "trim")

    assert client_indices(REQUEST, verdict) == frozenset(index + 1 for index in verdict.removed)


def test_the_header_tells_the_counts() -> None:
    trimmed = verdict_at(1.0, "trim")

    assert budget_header(verdict_at(0.5, "trim")) is None
    assert budget_header(verdict_at(2.0, "reject")) is None
    assert budget_header(verdict_at(0.85, "warn")) == f"warning; estimated={COUNT}; window={round(COUNT / 0.85)}"
    assert budget_header(trimmed) == f"trimmed; removed={len(trimmed.removed)}; estimated={COUNT}; window={COUNT}"


def test_the_refusal_is_the_one_on_which_clients_compact() -> None:
    verdict = verdict_at(2.0, "reject")
    error = overflow_error(verdict)

    assert error.kind is ErrorKind.CONTEXT_OVERFLOW
    assert error.message == f"prompt is too long: {COUNT} tokens > {verdict.limit} maximum"
    assert verdict.limit < COUNT


def test_the_log_is_told_the_numbers() -> None:
    def told(ratio: float, action: Action) -> list[tuple[str, dict[str, object]]]:
        return list(budget_events(verdict_at(ratio, action), BudgetRules(action=action)))

    trimmed = verdict_at(1.0, "trim")
    warning = {"estimated_tokens": COUNT, "max_context_tokens": COUNT, "usage_ratio": 1.0, "action": "trim"}
    cut = {
        "messages_removed": len(trimmed.removed),
        "messages_before": 21,
        "messages_after": 21 - len(trimmed.removed),
        "estimated_tokens_before": COUNT,
        "estimated_tokens_after": trimmed.after,
        "max_context_tokens": COUNT,
    }

    assert told(0.5, "trim") == []
    assert told(1.0, "trim") == [("context-budget-warning", warning), ("context-budget-trimmed", cut)]
    assert [name for name, _ in told(1.0, "reject")] == ["context-budget-warning"]


@pytest.mark.parametrize(
    ("window", "max_tokens", "reserve"),
    [
        (200_000, 32_000, 32_000),
        (32_768, 32_000, 8_192),
        (32_768, 1_000, 1_000),
        (32_768, None, 4_096),
        (2_000, None, 500),
        (8, 0, 0),
    ],
)
def test_the_answer_gets_what_is_asked_for_up_to_a_quarter(window: int, max_tokens: int | None, reserve: int) -> None:
    assert reserve_for(window, max_tokens) == reserve
    assert usable_window(window, max_tokens) == window - reserve


def test_a_window_is_never_nothing() -> None:
    assert usable_window(1, 10) == 1
    assert judge(REQUEST, window=1, rules=BudgetRules(action="reject"), reserve=5).state == "reject"
