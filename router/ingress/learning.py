"""What the attempts of one request teach: how fast and how well a provider answers, how it counts tokens, whose session it is."""

from __future__ import annotations

from attrs import define, field

from router.config.schema import ProviderConfig
from router.domain.events import StopReason, Usage
from router.domain.health import Evidence, evidence_of
from router.domain.spend import Cost
from router.errors import FailureReason, ProviderFailed
from router.guards.drift import Observation, Severity
from router.ingress.guarding import Guards
from router.ingress.record import Record
from router.ingress.turn import Turn
from router.ports import OutcomeSink
from router.routing.adaptive import Sample
from router.routing.answer import AttemptEnd, RelayEnd
from router.routing.cost import cache_fields
from router.routing.memory import Memory

# what speaks against the provider; a client's mistake, a refused key and a full window do not
_SPEAKS_AGAINST = frozenset({Evidence.HEALTH, Evidence.OVERLOADED, Evidence.RATE, Evidence.MEMORY})
_ALSO = frozenset({FailureReason.EMPTY_RESPONSE})
_NOTHING_SAID = RelayEnd(usage=Usage(estimated=True), stop=StopReason.END, is_empty=True)  # for which another one was asked


@define(kw_only=True)
class Learning:
    """One request's. What is found of its answer goes to its own headers, and to nobody else's (W48)."""

    turn: Turn
    record: Record
    guards: Guards
    memory: Memory
    sink: OutcomeSink
    _is_seen: bool = field(default=False, init=False)  # the answer under way has been looked at for drift

    def saw(self, config: ProviderConfig, end: RelayEnd, now: float) -> None:
        """Look at a whole answer for drift just before its last bytes go out, so that the client can be told.

        An attempt before it that failed is not this answer: what it has shown of its own provider stands in the log."""
        self._is_seen = True
        self.record.drift = self._watch_drift(config, end, is_error=end.failure is not None, now=now)

    def ended(self, attempt: AttemptEnd) -> None:
        """Take one attempt in; sync, so that what a departed client's request has shown is not lost."""
        if attempt.failure is not None and not _is_the_providers(attempt.failure):
            return
        if self.memory.learns_of(attempt.config):
            self._learn_speed(attempt)
        if not self._is_seen:
            is_error = attempt.failure is not None and attempt.failure.reason not in _ALSO
            end = attempt.end if attempt.failure is None or is_error else _NOTHING_SAID
            self._watch_drift(attempt.config, end, is_error=is_error, now=attempt.ended_at)
        self._is_seen = False
        if attempt.end is not None and attempt.failure is None:
            self._learn_from(attempt.config, attempt.end.usage, attempt.ended_at)
            self._tell_cache(attempt.end.usage, attempt.cost or Cost())

    def _learn_speed(self, attempt: AttemptEnd) -> None:
        ok = attempt.failure is None
        usage = attempt.end.usage if attempt.end is not None else None
        sample = Sample(
            at=attempt.ended_at,
            ok=ok,
            stream=attempt.is_stream,
            ttft_s=attempt.committed_at - attempt.began_at if ok and attempt.is_stream and attempt.committed_at else None,
            total_s=attempt.ended_at - attempt.began_at if ok and not attempt.is_stream else None,
            output_tokens=None if usage is None or usage.estimated else usage.output,
        )
        self.memory.adaptive.record(attempt.config.name, sample)

    def _learn_from(self, config: ProviderConfig, usage: Usage, now: float) -> None:
        turn = self.turn
        estimated = self.guards.counted(config.name)
        if estimated and not usage.estimated and self.memory.learns_of(config):
            reported = usage.input + (usage.cache_read or 0) + (usage.cache_write or 0)
            self.memory.calibrations.learn(config.name, estimated=estimated, reported=reported)
        turn.remember(config.name, now)

    def _tell_cache(self, usage: Usage, cost: Cost) -> None:
        turn = self.turn
        if turn.has_cache_marks or usage.cache_read is not None or usage.cache_write is not None:
            told = cache_fields(usage, cost, has_cache_control=turn.has_cache_marks, is_streaming=turn.is_stream)
            self.record.tell("cache-observed", **told)

    def _watch_drift(self, config: ProviderConfig, end: RelayEnd | None, *, is_error: bool, now: float) -> Severity:
        """Return what is new of a provider with this attempt, and tell it."""
        profile, provider = self.turn.profile, config.name
        if profile.drift_detection_action == "off" or not self.memory.learns_of(config):
            return Severity.NONE
        seen = Observation(
            # many servers count the end of an empty answer, and some count nothing at all
            output_tokens=0 if end is None or end.is_empty else max(1, end.usage.output),
            has_tool_use=end is not None and end.stop is StopReason.TOOL_USE,
            tools_expected=self.turn.expects_tools,
            stop=None if end is None else end.stop,
            is_error=is_error,
        )
        drift = self.memory.drift.observe(profile, provider, seen, now)
        if drift.recovered_after_s is not None:
            self.record.tell("drift-recovered", profile=profile.name, after_s=round(drift.recovered_after_s, 1))
        if not drift.is_new:
            return Severity.NONE
        verdict, action, rest_s = drift.verdict, profile.drift_detection_action, profile.drift_detection_cooldown_s
        told = {"severity": str(verdict.severity), "reason": verdict.reason, "signals": dict(verdict.signals)}
        self.record.tell("drift-detected", profile=profile.name, action=action, **told)
        if action in ("promote", "reload"):
            self.sink.drifted(provider, for_s=rest_s, wants_reload=action == "reload")
            self.record.tell("drift-promoted", profile=profile.name, cooldown_s=rest_s)
        return verdict.severity


def _is_the_providers(failure: ProviderFailed) -> bool:
    return failure.reason in _ALSO or evidence_of(failure.reason) in _SPEAKS_AGAINST
