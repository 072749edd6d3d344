"""Tokens of every attempt, however it and its request ended: metrics, windows, spans and journal tell the same of them."""

from __future__ import annotations

import itertools

import pytest
from attrs import define
from trio.testing import MockClock

from router.config.schema import CostConfig
from router.domain.told import Told
from router.errors import FailureReason, ProviderFailed
from router.observers import families as f
from router.observers.events import EVENTS
from router.observers.journal import journal_record
from router.observers.metrics import Metrics
from router.observers.series import EVERYTHING, Series
from tests.builders import ANTHROPIC, Script, ScriptedProvider, Step, a_config, a_profile, a_provider, anthropic_stream
from tests.router.ingress.rig import Rig
from tests.router.observers.otel_rig import WALL, Collected
from tests.supervisors.ledger_rig import a_world

READ, WRITTEN = 100_000, 500
SAID = "The answer to your question is fort"
PRICE = CostConfig(input_tokens_per_million=1e6, output_tokens_per_million=1e6)  # so that every prompt is counted
GONE = ProviderFailed(provider="a", reason=FailureReason.CONNECTION)
LATE = ProviderFailed(provider="a", reason=FailureReason.TIMEOUT)
FAMILIES = (f.INPUT_TOKENS, f.OUTPUT_TOKENS, f.CACHE_READ, f.CACHE_CREATION)
FIELDS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
PROMPT = 7  # of the rig's question, by our own count, where nobody else has counted it
A_DELTA = 9  # tokens of SAID by our count, where its provider did not come to count them

Tokens = tuple[int, int, int, int]  # fresh, said, read, written


def cached(*texts: str) -> list[bytes]:
    """Return a whole stream whose prompt came from a cache for the most part, and went to one for another."""
    told = b'"input_tokens":3,"cache_read_input_tokens":%d,"cache_creation_input_tokens":%d' % (READ, WRITTEN)
    return [chunk.replace(b'"input_tokens":3', told) for chunk in anthropic_stream(*texts)]


def begun(end: Step) -> Script:
    """Return such a stream that has said SAID, and then this."""
    return Script(chunks=[*cached(SAID)[:3], end])


WHOLE = Script(chunks=cached("hello"))


@define
class Surfaces:
    """What each surface says after some requests."""

    metrics: Metrics
    series: Series
    collected: Collected
    rows: list[dict[str, object]]

    def counted(self, provider: str) -> tuple[float, ...]:
        """Return the tokens in `/metrics`."""
        return tuple(self.metrics.of(family).values[provider,] for family in FAMILIES)

    def in_windows(self, name: str) -> tuple[float, ...]:
        """Return the tokens on the dashboard."""
        found = self.series.totals(name, "1h", WALL)
        return found.input_tokens, found.output_tokens, found.cache_read_tokens, found.cache_write_tokens

    def exported(self, kind: str, provider: str) -> float:
        """Return what a collector gets: the whole prompt is the input there."""
        points = [(dict(point.attributes or {}), point.sum) for point in self.collected.points()["gen_ai.client.token.usage"]]
        wanted = {"gen_ai.token.type": kind, "nursery_router.provider": provider}
        return sum(total for facts, total in points if wanted.items() <= facts.items())

    def journalled(self) -> tuple[int, ...]:
        """Return the sums of the journal's lines."""
        return tuple(sum(value for row in self.rows if isinstance(value := row[name], int)) for name in FIELDS)


async def ask(*scripts: Script, leave_after_s: float | None = None) -> Rig:
    """Ask providers at prices, a script each, in their order."""
    names = "abc"[: len(scripts)]
    keys = {name: {"cost": PRICE, "prefill": True} for name in names}
    rig = Rig(
        providers=[
            ScriptedProvider(name=name, dialect=ANTHROPIC, scripts=[script]) for name, script in zip(names, scripts, strict=True)
        ],
        keys=keys,
        profile=a_profile(*names, partial_stitch_action="continue"),
        spending=a_world(a_config(*(a_provider(name, kind="anthropic", cost=PRICE) for name in names))).ledger,
    )
    await rig.ask(ANTHROPIC, stream=True, leave_after_s=leave_after_s)
    return rig


def surfaces_of(*rigs: Rig) -> Surfaces:
    """Let each surface hear what the rigs have told."""
    metrics, series, collected = Metrics(), Series(), Collected()
    metrics.configure(a_config(*(a_provider(name) for name in "abc")))
    collected.fanout.listen("metrics", metrics)
    collected.fanout.listen("series", series)
    rows = []
    for rig in rigs:
        collected.take(rig)
        rows += [journal_record(Told(1, WALL, 20, "request-complete", line)) for line in rig.observer.named("request-complete")]
    return Surfaces(metrics, series, collected, rows)


CACHED_WHOLE: Tokens = (3, 2, READ, WRITTEN)
CACHED_CUT: Tokens = (3, A_DELTA, READ, WRITTEN)
WAYS = {
    "answered": ([WHOLE], None, ["a:ok"], {"a": CACHED_WHOLE}),
    "left by its client": ([begun(600.0)], 5.0, ["a:cut"], {"a": CACHED_CUT}),
    "cut": ([begun(GONE)], None, ["a:connection"], {"a": CACHED_CUT}),
    "made good": ([Script(refusal=LATE), WHOLE], None, ["a:timeout", "b:ok"], {"a": (PROMPT, 0, 0, 0), "b": CACHED_WHOLE}),
    "gone on with": (
        [begun(GONE), Script(chunks=cached("y-two"))],
        None,
        ["a:connection", "b:ok"],
        {"a": CACHED_CUT, "b": CACHED_WHOLE},
    ),
    "refused": (
        [Script(refusal=ProviderFailed(provider="a", reason=FailureReason.AUTH, status=401)), WHOLE],
        None,
        ["a:auth", "b:ok"],
        {"a": (0, 0, 0, 0), "b": CACHED_WHOLE},
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_surface_tells_the_tokens_of_each_attempt(way: str, autojump_clock: MockClock) -> None:
    del autojump_clock
    scripts, leave_after_s, chain, used = WAYS[way]

    rig = await ask(*scripts, leave_after_s=leave_after_s)
    surfaces = surfaces_of(rig)

    assert [row["chain"] for row in surfaces.rows] == [chain]
    for told in rig.observer.named("attempt-complete"):
        assert set(told) <= set(EVENTS["attempt-complete"].fields)
    for provider, tokens in used.items():
        fresh, said, read, written = tokens
        assert surfaces.counted(provider) == tokens
        assert surfaces.in_windows(provider) == tokens
        assert surfaces.exported("input", provider) == fresh + read + written
        assert surfaces.exported("output", provider) == said
    assert surfaces.in_windows(EVERYTHING) == added(*used.values())
    assert surfaces.journalled() == used[chain[-1].partition(":")[0]]  # a line has the tokens of whom it names


async def test_over_many_requests_nothing_is_counted_twice_or_left_out(autojump_clock: MockClock) -> None:
    del autojump_clock
    rigs = [await ask(*scripts, leave_after_s=leave_after_s) for scripts, leave_after_s, _, _ in WAYS.values()]

    surfaces = surfaces_of(*rigs)

    whole = added(*itertools.chain.from_iterable(used.values() for *_, used in WAYS.values()))
    assert surfaces.in_windows(EVERYTHING) == whole
    assert added(*map(surfaces.counted, "abc")) == whole
    assert added(*map(surfaces.in_windows, "abc")) == whole
    costs = [float(str(row["cost_usd"])) for row in surfaces.rows]
    assert sum(surfaces.metrics.of(f.COST).values.values()) == pytest.approx(sum(costs))


async def test_what_a_cache_did_is_observed_of_whole_answers_alone(autojump_clock: MockClock) -> None:
    del autojump_clock
    rigs = [await ask(*scripts, leave_after_s=leave_after_s) for scripts, leave_after_s, _, _ in WAYS.values()]

    values = surfaces_of(*rigs).metrics.of(f.CACHE_OBSERVED).values

    assert {labels: count for labels, count in values.items() if count} == {("a", "cache_hit"): 1, ("b", "cache_hit"): 3}


def added(*tokens: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(map(sum, zip(*tokens, strict=True)))
