"""L4 over time: a window of answers per profile and provider, who is resting for a verdict, and when it is over.

Written by the pumps of requests, in one go each; one per daemon. Source: supervision.md 5.4, W19."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, evolve, field, frozen

from router.config.schema import ProfileConfig
from router.guards.drift import DriftVerdict, Observation, Severity, Window, judge, observe

_Key = tuple[str, str]  # profile, provider: two profiles may judge the same answers by other bounds


@frozen(kw_only=True)
class Watched:
    """One window. Until `rests_until` (trio clock) nothing is judged: the provider has been sent behind the others."""

    window: Window = ()
    rests_until: float | None = None


@frozen(kw_only=True)
class Drift:
    """What one answer has shown. `is_new`: its provider goes behind the others now. `recovered_after_s`: its rest was over."""

    verdict: DriftVerdict
    is_new: bool = False
    recovered_after_s: float | None = None


@define(eq=False)
class DriftWatch:
    """The windows of all profiles that look for drift."""

    _watched: dict[_Key, Watched] = field(factory=dict)

    def observe(self, profile: ProfileConfig, provider: str, seen: Observation, now: float) -> Drift:
        """Take one answer in; return what it has shown. After a rest the window begins afresh: time heals, not traffic (W19)."""
        key = (profile.name, provider)
        old = self._watched.get(key, Watched())
        recovered = None
        if old.rests_until is not None and old.rests_until <= now:
            recovered = profile.drift_detection_cooldown_s + now - old.rests_until
            old = Watched()
        window = observe(old.window, seen, profile.drift_detection_window_size)
        is_resting = old.rests_until is not None
        verdict = DriftVerdict() if is_resting else judge(window, profile.drift_detection_sensitivity)
        new = evolve(old, window=window)
        has_drifted = verdict.severity is not Severity.NONE
        if has_drifted and profile.drift_detection_action in ("promote", "reload"):
            new = evolve(new, rests_until=now + profile.drift_detection_cooldown_s)
        self._watched[key] = new
        return Drift(verdict=verdict, is_new=has_drifted, recovered_after_s=recovered)

    def windows(self) -> Mapping[_Key, Watched]:
        """Return every window, by profile and provider."""
        return dict(self._watched)

    def forget(self, provider: str) -> None:
        """Drop the windows of a provider that is gone, or another backend from now on."""
        self._watched = {key: watched for key, watched in self._watched.items() if key[1] != provider}
