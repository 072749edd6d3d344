"""What two providers made of the same requests: how fast, for how much, how often they called tools rightly and alike.

Two answers are alike by one figure from 0 to 1. Where neither calls a tool it is the likeness of their texts: the share of
three-letter pieces that both have (Dice's coefficient, case and white space aside). Else it is 1 for the same calls with the
same arguments in the same order, 0.5 for the same tools with other arguments, 0 for anything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from statistics import median

import attrs
from attrs import frozen

from router.domain.rerun import Answered, Pair, Rerun
from router.domain.spend import booked_usd
from router.reports.medians import Median, median_of
from router.reports.spread import FEW

MOST_DIFFERENT = 5  # pairs that are named
_PIECE = 3  # letters


@frozen(kw_only=True)
class Side:
    """One provider. `failures` counts them by reason; `sent` is how many requests it was asked.

    `calls` are the tool calls of its answers, `fit` those whose arguments are JSON and fit the tool's schema; `misfits` counts
    what was wrong with the others."""

    provider: str
    n: int
    sent: int
    answered: int
    failures: Mapping[str, int]
    ttft_s: Median | None
    total_s: Median | None
    prompt_tokens: int  # whole prompts, with what caches had and keep
    output_tokens: int
    cache_read_tokens: int
    estimated: int  # answers whose usage nobody told
    cost_usd: float
    guessed_costs: int
    calls: int
    fit: int
    misfits: Mapping[str, int]


@frozen(kw_only=True)
class Difference:
    """A pair that is not alike, and how."""

    request_id: str
    alike: float
    how: str


@frozen(kw_only=True)
class Agreement:
    """Over the pairs in which both have answered. `with_calls` of them have a tool call on either side.

    `alike` is the median over all; `same_calls` counts equal tools and arguments, `text` is over those without calls."""

    n: int
    with_calls: int
    same_tools: int
    same_calls: int
    text: float | None
    alike: float | None
    most_different: tuple[Difference, ...]


@frozen(kw_only=True)
class Comparison:
    """The whole report. `warning` is "" where there are enough pairs."""

    sides: tuple[Side, Side]
    agreement: Agreement
    pairs: int
    left_out: Mapping[str, int]
    bad_records: int
    spent_usd: float
    max_usd: float
    ended: str
    warning: str


def compare(run: Rerun) -> Comparison:
    """Return what a run has shown."""
    first, second = run.providers
    n = len(run.pairs)
    return Comparison(
        sides=(_side(first, [pair.first for pair in run.pairs]), _side(second, [pair.second for pair in run.pairs])),
        agreement=_agreement(run.pairs),
        pairs=n,
        left_out=run.left_out,
        bad_records=run.bad_records,
        spent_usd=booked_usd(run.spent_usd),
        max_usd=run.max_usd,
        ended=run.ended,
        warning=f"{n} requests are few: below {FEW} a difference may be chance" if n < FEW else "",
    )


def as_document(comparison: Comparison) -> dict[str, object]:
    """Return the report as JSON says it."""
    return attrs.asdict(comparison)


def text_likeness(one: str, other: str) -> float:
    """Return the share of three-letter pieces that two texts have in common, from 0 to 1; 1 for two empty ones."""
    pieces, others = _pieces(one), _pieces(other)
    if not pieces and not others:
        return 1.0
    return 2 * (pieces & others).total() / (pieces.total() + others.total())


def likeness(pair: Pair) -> float:
    """Return how alike two answers are."""
    first, second = pair.first, pair.second
    if not first.calls and not second.calls:
        return text_likeness(first.text, second.text)
    return 1.0 if _said(first) == _said(second) else 0.5 if _tools(first) == _tools(second) else 0.0


def _side(provider: str, answers: list[Answered]) -> Side:
    good = [answer for answer in answers if not answer.failure]
    usages = [answer.usage for answer in good if answer.usage is not None]
    calls = [call for answer in good for call in answer.calls]
    return Side(
        provider=provider,
        n=len(answers),
        sent=sum(answer.is_sent for answer in answers),
        answered=len(good),
        failures=Counter(answer.failure for answer in answers if answer.failure),
        ttft_s=median_of(answer.ttft_s for answer in good),
        total_s=median_of(answer.total_s for answer in good),
        prompt_tokens=sum(usage.input + (usage.cache_read or 0) + (usage.cache_write or 0) for usage in usages),
        output_tokens=sum(usage.output for usage in usages),
        cache_read_tokens=sum(usage.cache_read or 0 for usage in usages),
        estimated=sum(usage.estimated for usage in usages),
        cost_usd=booked_usd(sum(answer.cost_usd for answer in answers)),
        guessed_costs=sum(answer.is_cost_guessed for answer in answers),
        calls=len(calls),
        fit=sum(not call.misfit for call in calls),
        misfits=Counter(f"{call.name}: {call.misfit}" for call in calls if call.misfit),
    )


def _agreement(pairs: Iterable[Pair]) -> Agreement:
    both = [pair for pair in pairs if not pair.first.failure and not pair.second.failure]
    calling = [pair for pair in both if pair.first.calls or pair.second.calls]
    talking = [pair for pair in both if not (pair.first.calls or pair.second.calls)]
    rated = sorted(((likeness(pair), pair) for pair in both), key=lambda rating: rating[0])
    return Agreement(
        n=len(both),
        with_calls=len(calling),
        same_tools=_count(calling, _tools),
        same_calls=_count(calling, _said),
        text=_median(likeness(pair) for pair in talking),
        alike=_median(alike for alike, _ in rated),
        most_different=tuple(
            Difference(request_id=pair.request_id, alike=round(alike, 4), how=_how(pair))
            for alike, pair in rated[:MOST_DIFFERENT]
            if alike < 1
        ),
    )


def _how(pair: Pair) -> str:
    if not pair.first.calls and not pair.second.calls:
        return f"texts of {len(pair.first.text)} and {len(pair.second.text)} characters"
    tools = " and ".join(", ".join(_tools(answer)) or "no tool" for answer in (pair.first, pair.second))
    return f"{pair.first.calls[0].name} with other arguments" if _tools(pair.first) == _tools(pair.second) else tools


def _tools(answer: Answered) -> tuple[str, ...]:
    return tuple(call.name for call in answer.calls)


def _said(answer: Answered) -> tuple[tuple[str, Mapping[str, object] | None], ...]:
    return tuple((call.name, call.arguments) for call in answer.calls)


def _count(pairs: Iterable[Pair], part: Callable[[Answered], object]) -> int:
    return sum(part(pair.first) == part(pair.second) for pair in pairs)


def _median(figures: Iterable[float]) -> float | None:
    known = list(figures)
    return round(median(known), 4) if known else None


def _pieces(text: str) -> Counter[str]:
    plain = " ".join(text.casefold().split())
    return Counter(plain[at : at + _PIECE] for at in range(max(len(plain) - _PIECE + 1, 1)) if plain)
