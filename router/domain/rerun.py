"""Recorded requests that were asked again, of two providers each: what came of them."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from router.domain.events import Usage


@frozen(kw_only=True)
class Called:
    """One tool call of an answer. `arguments` is None where they are no JSON object.

    `misfit` is what is wrong with it by the tool's schema, "" for nothing."""

    name: str
    arguments: Mapping[str, object] | None
    misfit: str = ""


@frozen(kw_only=True)
class Answered:
    """How one provider answered one request; times in seconds from the moment of its sending.

    `failure` is the reason, "" for an answer; `is_sent` is false where it was not even asked. `usage` is None where nothing
    of a model's came. `ttft_s` is None where the answer did not stream. `is_cost_guessed`: the most that it may have cost."""

    provider: str
    failure: str = ""
    detail: str = ""
    is_sent: bool = True
    ttft_s: float | None = None
    total_s: float | None = None
    usage: Usage | None = None
    cost_usd: float = 0.0
    is_cost_guessed: bool = False
    text: str = field(default="", repr=False)
    calls: tuple[Called, ...] = ()


@frozen(kw_only=True)
class Pair:
    """One recorded request, by its id, and both answers in the order in which the providers were named."""

    request_id: str
    first: Answered
    second: Answered


@frozen(kw_only=True)
class Rerun:
    """What was done. `left_out` counts by reason the recorded requests that were not asked.

    `spent_usd` is at most what was spent; `ended` says why it ended before the last one, "" where it did not."""

    providers: tuple[str, str]
    pairs: tuple[Pair, ...]
    left_out: Mapping[str, int]
    bad_records: int
    spent_usd: float
    max_usd: float
    ended: str = ""
