"""The guards of one request on its way: tool loops before anybody is asked, the context budget for each who is (layout.md).

The rules are in `router/guards/`; here their verdicts become an edit of what is sent, an event, or an error."""

from __future__ import annotations

from attrs import define, field

from router.config.redact import cut_word
from router.config.schema import ProviderConfig
from router.errors import FailureReason, ProviderFailed
from router.guards.compaction import is_compaction
from router.guards.context_budget import (
    BudgetRules,
    BudgetVerdict,
    budget_events,
    budget_header,
    judge,
    overflow_error,
    reserve_for,
)
from router.guards.tool_loop import ToolVerdict, judge_calls, loop_rules, rejection
from router.ingress.record import Record
from router.ingress.turn import Turn

_OFF = "off"


@define(kw_only=True)
class Guards:
    """One request's. `verdicts` are those of the context budget, by provider."""

    turn: Turn
    record: Record
    verdicts: dict[str, BudgetVerdict] = field(factory=dict)

    def before(self) -> None:
        """Judge the calls since the last message of a person. Raises GuardRejected where they are to end."""
        turn, profile = self.turn, self.turn.profile
        verdict = tool_verdict(turn)
        if (excess := verdict.count.excess) is not None:
            self.record.tell(
                "tool-count-exceeded",
                profile=profile.name,
                total_count=excess.total_count,
                max_allowed=excess.max_allowed,
                action=str(verdict.count.act),
            )
        if (loop := verdict.loop.loop) is not None:
            self.record.tell(
                "tool-loop-detected",
                profile=profile.name,
                tool_name=cut_word(loop.tool_name, self.record.redact),
                repeat_count=loop.repeat_count,
                threshold=loop.threshold,
                window=loop.window,
                action=str(verdict.loop.act),
            )
        if (refused := rejection(verdict, profile.name)) is not None:
            raise refused
        turn.hints = verdict.hints

    def verdict_for(self, config: ProviderConfig) -> BudgetVerdict | None:
        """Return how the request fits one provider's window, None where nobody looks.

        Raises ProviderFailed(context-overflow) for a provider that is not to be asked: it costs a client its turn, and the
        next one in the chain may have a larger window."""
        if self.turn.profile.context_budget_action == _OFF:
            return None
        verdict = self.verdicts.get(config.name)
        if verdict is None:
            verdict = self.verdicts[config.name] = self._judged(config)
        if not self.record.exchange.is_head_sent:
            self.record.context_budget = budget_header(verdict)
        if verdict.state == "reject":
            error = overflow_error(verdict)
            raise ProviderFailed(provider=config.name, reason=FailureReason.CONTEXT_OVERFLOW, message=error.message)
        return verdict

    def counted(self, provider: str) -> int:
        """Return the tokens of the request by our own count as this provider was sent it; 0 where nobody has counted."""
        counted, verdict = self.turn.counted_tokens, self.verdicts.get(provider)
        # what was cut is told with the provider's weights, and the count has the usual ones: the share is the same
        return counted if verdict is None or not verdict.removed else counted * verdict.after // verdict.estimated

    def _judged(self, config: ProviderConfig) -> BudgetVerdict:
        profile = self.turn.profile
        verdict = budget_verdict(self.turn, config)
        for event, facts in budget_events(verdict, BudgetRules.of(profile)):
            self.record.tell(event, provider=config.name, profile=profile.name, **facts)
        return verdict


def tool_verdict(turn: Turn) -> ToolVerdict:
    """Return what is done about the calls since the last message of a person."""
    calls = [*turn.dialect.recent_calls(turn.document)]
    return judge_calls(calls[::-1], loop_rules(turn.profile))


def budget_verdict(turn: Turn, config: ProviderConfig) -> BudgetVerdict:
    """Return how the request fits one provider's window. Raises InvalidRequest for a body that cannot be read."""
    request, window = turn.neutral(), turn.window(config)
    return judge(
        request,
        window=window,
        rules=BudgetRules.of(turn.profile),
        weights=turn.weights(config),
        reserve=reserve_for(window, request.max_tokens),
        is_compaction=is_compaction(request, turn.headers),
    )
