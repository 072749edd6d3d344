"""How far the token estimate is off for each provider, learned from the usage that it reports (supervision.md W14).

Vocabularies differ: one counts a text of Chinese with half the tokens of another. The error of one provider is nearly the
same from request to request, so one factor mends most of it."""

from __future__ import annotations

from math import exp, log

from attrs import define, evolve, field, frozen

from router.guards.tokens import DEFAULT, Weights

_FEWEST_TOKENS = 200  # below that the chat template of the provider is what is measured
_FOREIGN = log(4.0)  # a count further off is of something else: of the fresh part of a cached prompt, of another request
_WHOLE_TRUST = 3  # samples; one alone moves the factor by a third of what it says
_MEMORY = 8  # samples that the mean remembers
_LARGEST_STEP = log(1.5)  # of one sample from the mean, once that is trusted: an odd one out must not carry it away
_LEAST, _MOST = 0.5, 2.5


@frozen(kw_only=True)
class CalibrationState:
    """What is known of one provider: the mean logarithm of reported by estimated tokens, and of how many requests."""

    mean: float = 0.0
    samples: int = 0


def learn(state: CalibrationState, *, estimated: int, reported: int) -> CalibrationState:
    """Return what is known after one more request; `state` itself where its numbers tell nothing.

    `estimated` is the count with the default weights, `reported` all input tokens, those from the cache included."""
    if reported < _FEWEST_TOKENS or estimated <= 0:
        return state
    found = log(reported / estimated)
    if abs(found) > _FOREIGN:
        return state
    samples = state.samples + 1
    step = found - state.mean
    if state.samples >= _WHOLE_TRUST:
        step = max(-_LARGEST_STEP, min(_LARGEST_STEP, step))
    return evolve(state, mean=state.mean + step / min(samples, _MEMORY), samples=samples)


def factor(state: CalibrationState) -> float:
    """Return what to multiply an estimate by: 1 while nothing is known, between 0.5 and 2.5 always."""
    trust = min(1.0, state.samples / _WHOLE_TRUST)
    return max(_LEAST, min(_MOST, exp(trust * state.mean)))


@define
class Calibrations:
    """What is known of every provider. Whoever reports the outcome of an attempt writes, in one sync call."""

    _states: dict[str, CalibrationState] = field(init=False, factory=dict)

    def learn(self, provider: str, *, estimated: int, reported: int) -> None:
        """Take in what one answer reports; `estimated` with the default weights."""
        self._states[provider] = learn(self.state_of(provider), estimated=estimated, reported=reported)

    def weights(self, provider: str) -> Weights:
        """Return the weights to count with for this provider."""
        scale = factor(self.state_of(provider))
        return DEFAULT if scale == 1.0 else evolve(DEFAULT, factor=scale)

    def state_of(self, provider: str) -> CalibrationState:
        """Return what is known of a provider; nothing of one that was never heard of."""
        return self._states.get(provider, CalibrationState())

    def forget(self, provider: str) -> None:
        """Drop what is known of a provider that is gone, or another backend from now on."""
        self._states.pop(provider, None)
