"""The estimate against what a real model counts."""

from __future__ import annotations

from functools import partial

import pytest

from router.guards.tokens import DEFAULT, Weights, count_text
from tests.router.guards.estimator_figures import Sample, calibrated, from_agents, leave_one_out, measure, open_tokenizer
from tests.router.guards.estimator_samples import AGENTS, KINDS, text


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.local_tiny
async def test_the_estimate_is_near_what_a_real_model_counts() -> None:
    async with open_tokenizer("gemma3-270m") as tokenizer:
        samples = {sample.name: sample for sample in await measure(tokenizer)}

    agents = from_agents(list(samples.values()))
    assert all(-0.05 < samples[name].error() < 0.15 for name in AGENTS)
    assert all(abs(samples[name].error(agents[name])) < 0.06 for name in AGENTS)
    assert all(-0.20 < samples[kind].error() < 0.50 for kind in KINDS)  # another vocabulary than the one of the weights


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_has_two_thousand_characters(kind: str) -> None:
    assert len(text(kind)) == 2_000


def sample(name: str, ratio: float) -> Sample:
    """Return a text that really has so many times the estimated tokens."""
    content = b"words of the usual length " * 100
    return Sample(name=name, estimate=partial(count_text, content), real=round(ratio * count_text(content)))


def test_each_sample_is_calibrated_by_the_others_alone() -> None:
    samples = [sample("codex", 2.0), sample("latin", 1.2), sample("code", 1.2), sample("cjk", 1.2)]

    weights = leave_one_out(samples)

    assert weights["codex"].factor == pytest.approx(1.2, rel=0.01)
    assert samples[0].error(weights["codex"]) == pytest.approx(1.2 / 2.0 - 1, abs=0.01)
    assert weights["latin"].factor > 1.25


def test_no_sample_leaves_the_weights_as_they_are() -> None:
    assert calibrated([]) == Weights(factor=1.0) == DEFAULT
