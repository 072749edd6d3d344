"""L1: does the conversation fit into one provider's window, and what becomes of it if not (supervision.md 2, W13 to W15).

Asked per attempt, against the window of the provider that is asked. What counts against the window is the prompt and the
room that its answer needs: ratios are those of the estimate to `window - reserve` (see `usable_window`)."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Literal

from attrs import evolve, frozen

from router.config.schema import ProfileConfig
from router.domain.messages import Message, Role, Text
from router.domain.request import NeutralRequest
from router.errors import ContextOverflow
from router.guards.tokens import DEFAULT, Weights, count_tokens_request, measure_request
from router.guards.trim import Cut, Limits, cut_from_front

BudgetState = Literal["ok", "warning", "trimmed", "reject"]

_ANSWER = 4_096  # tokens: what an answer is given where the client names no limit; a summary of a session takes less
_ANSWER_PART = 4  # a client may ask for 32,000 tokens of a window of that size: the answer gets a quarter of it at most


@frozen(kw_only=True)
class BudgetRules:
    """The profile's settings: what is done, and at which parts of the usable window."""

    action: Literal["off", "warn", "trim", "reject"] = "off"
    warn: float = 0.80
    trim: float = 0.90
    target: float = 0.75
    preserve_last_n: int = 4

    @classmethod
    def of(cls, profile: ProfileConfig) -> BudgetRules:
        """Return the rules of a profile."""
        return cls(
            action=profile.context_budget_action,
            warn=profile.context_budget_warn_threshold,
            trim=profile.context_budget_trim_threshold,
            target=profile.context_budget_trim_target,
            preserve_last_n=profile.context_budget_preserve_last_n,
        )


@frozen(kw_only=True)
class BudgetVerdict:
    """What was found and what is to be done; numbers are tokens, `removed` are indices into the request's messages.

    `limit` is the most that passes; above it the request is trimmed or refused. `ratio` is that of `estimated` to the usable
    window. `synthetic` is the text of a message of the user to put in front of what is left."""

    state: BudgetState
    estimated: int
    window: int
    ratio: float
    limit: int
    after: int
    removed: tuple[int, ...] = ()
    synthetic: str | None = None
    messages_before: int
    messages_after: int


def reserve_for(window: int, max_tokens: int | None) -> int:
    """Return how many tokens of a window are kept for the answer: what the client asks for, a quarter of it at most."""
    return min(_ANSWER if max_tokens is None else max(0, max_tokens), window // _ANSWER_PART)


def usable_window(window: int, max_tokens: int | None) -> int:
    """Return how many tokens a prompt may have, so that its answer fits as well (R-61)."""
    return max(1, window - reserve_for(window, max_tokens))


def judge(
    request: NeutralRequest,
    *,
    window: int,
    rules: BudgetRules,
    weights: Weights = DEFAULT,
    reserve: int = 0,
    is_compaction: bool = False,
) -> BudgetVerdict:
    """Return the verdict for one provider.

    The request that compacts a conversation is given all of the usable window: an ordinary one is stopped at the trim
    threshold, so that what lies above it is left for the other. Where that is not enough, it is trimmed to the threshold
    under `reject`, too: refusing it would leave the client no way out."""
    usable = max(1, window - reserve)
    threshold = _most_below(rules.trim, usable)
    limit = usable if is_compaction else threshold
    count = count_tokens_request(request, weights)
    verdict = BudgetVerdict(
        state="ok",
        estimated=count,
        window=window,
        ratio=count / usable,
        limit=limit,
        after=count,
        messages_before=len(request.messages),
        messages_after=len(request.messages),
    )
    if rules.action == "off" or (verdict.ratio < rules.warn and count <= limit):
        return verdict
    if count <= limit or rules.action == "warn":
        return evolve(verdict, state="warning")
    if rules.action == "reject" and not is_compaction:
        return evolve(verdict, state="reject")
    target = threshold if is_compaction else _most_below(rules.target, usable)
    limits = Limits(target=target, near=threshold, most=usable, step=0 if is_compaction else threshold - target)
    measures = measure_request(request, weights)
    cut = cut_from_front(request.messages, measures, limits, preserve_last_n=rules.preserve_last_n, weights=weights)
    return _trimmed(verdict, cut)


def apply(request: NeutralRequest, verdict: BudgetVerdict) -> NeutralRequest:
    """Return the request without what the verdict removes; the request itself where that is nothing."""
    if not verdict.removed:
        return request
    removed = frozenset(verdict.removed)
    kept = [message for index, message in enumerate(request.messages) if index not in removed]
    if verdict.synthetic is not None:
        kept.insert(0, Message(role=Role.USER, content=(Text(verdict.synthetic),)))
    return evolve(request, messages=tuple(kept))


def client_indices(request: NeutralRequest, verdict: BudgetVerdict) -> frozenset[int]:
    """Return which items of the client's own `messages` array are removed.

    They are not the verdict's indices where instructions lead the array: those have left the messages."""
    paths = (request.messages[index].path for index in verdict.removed)
    return frozenset(int(path.removeprefix("messages[").removesuffix("]")) for path in paths)


def budget_header(verdict: BudgetVerdict) -> str | None:
    """Return the value of `X-Router-Context-Budget`, None where nothing is told (wire.md 2.2)."""
    sizes = f"estimated={verdict.estimated}; window={verdict.window}"
    match verdict.state:
        case "warning":
            return f"warning; {sizes}"
        case "trimmed":
            return f"trimmed; removed={len(verdict.removed)}; {sizes}"
        case _:
            return None


def overflow_error(verdict: BudgetVerdict) -> ContextOverflow:
    """Return the refusal in the words that make clients compact by themselves."""
    return ContextOverflow(message=f"prompt is too long: {verdict.estimated} tokens > {verdict.limit} maximum")


def budget_events(verdict: BudgetVerdict, rules: BudgetRules) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield what the log is told, name and fields; the caller adds `provider` and `profile`."""
    if verdict.state == "ok":
        return
    yield (
        "context-budget-warning",
        {
            "estimated_tokens": verdict.estimated,
            "max_context_tokens": verdict.window,
            "usage_ratio": round(verdict.ratio, 3),
            "action": rules.action,
        },
    )
    if verdict.state == "trimmed":
        yield (
            "context-budget-trimmed",
            {
                "messages_removed": len(verdict.removed),
                "messages_before": verdict.messages_before,
                "messages_after": verdict.messages_after,
                "estimated_tokens_before": verdict.estimated,
                "estimated_tokens_after": verdict.after,
                "max_context_tokens": verdict.window,
            },
        )


def _most_below(ratio: float, usable: int) -> int:
    return ceil(ratio * usable) - 1


def _trimmed(verdict: BudgetVerdict, cut: Cut) -> BudgetVerdict:
    if not cut.removed:
        return evolve(verdict, state="warning")
    left = verdict.messages_before - len(cut.removed) + (cut.synthetic is not None)
    return evolve(verdict, state="trimmed", after=cut.after, removed=cut.removed, synthetic=cut.synthetic, messages_after=left)
