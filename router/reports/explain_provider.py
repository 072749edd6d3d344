"""What `router explain` says of one provider: (fact, words) rows; a fact that says nothing has none."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import fields

from router.config.schema import ProviderConfig
from router.config.vendor_table import VendorUse, vendor_use
from router.guards.context_budget import BudgetVerdict, overflow_error
from router.providers.capabilities import Capabilities, Flag
from router.reports.words import fact_words
from router.routing.cost import MILLION
from router.routing.explanation import Costing, Explanation, ProviderView, Putting
from router.wire.anthropic.deferred_tools import Deferral

Row = tuple[str, str]

_DEFERRALS = {
    Deferral.PASS: "are sent unchanged: the provider searches them",
    Deferral.EXPAND: "are offered at once, without the search tool",
    Deferral.REJECT: "are refused",
}
_THINKING = {"strip": "not shown", "pass": "shown as it arrives", "convert": "shown as thinking blocks"}
_WINDOW = "max_context_tokens"
_MAX_NOTES = 6  # of what is left out; the count says how many more


def provider_rows(explanation: Explanation, view: ProviderView) -> Iterator[Row]:
    """Yield what is decided for one provider of the request's profile."""
    yield "can do", capabilities_words(view.capabilities)
    if (use := vendor_use(view.config)) is not None:
        yield "vendor", _vendor(use)
    if view.fit.lacking or view.fit.lossy:
        yield "lacks", ", ".join(_lacks(view))
    yield "window", _window(view)
    if view.budget is not None:
        yield "budget", _budget(view.budget, explanation.profile.context_budget_action)
    if view.refused is not None:
        yield "refused", view.refused.line
    if view.putting is not None:
        yield from _putting(view.putting)
    if costs := _costs(view.costing):
        yield "cost", costs
    if limits := ", ".join(_limits(view.config, view.keys)):
        yield "limits", limits


def capabilities_words(capabilities: Capabilities) -> str:
    """Return what is known besides the window, each fact with who says so."""
    flags: dict[str, Flag] = {one.name: getattr(capabilities, one.name) for one in fields(Capabilities) if one.name != _WINDOW}
    known = [f"{name} {fact_words(flag.value)} ({flag.origin})" for name, flag in flags.items() if flag.value is not None]
    unknown = [name for name, flag in flags.items() if flag.value is None and name != "suitability"]
    return ", ".join([*known, *([f"not known: {' '.join(unknown)}"] if unknown else [])])


def _vendor(use: VendorUse) -> str:
    """Return whose habits are heeded, and who says each of its keys."""
    keys = [*(f"{key} (vendor)" for key in use.taken), *(f"{key} (provider)" for key in use.own)]
    return f"{use.vendor.title}: {', '.join(keys) or 'nothing is changed'}"


def _lacks(view: ProviderView) -> Iterator[str]:
    for name in (*view.fit.lacking, *view.fit.lossy):
        flag: Flag = getattr(view.capabilities, name)
        yield f"{name} (according to {flag.origin})"


def _window(view: ProviderView) -> str:
    flag = view.capabilities.max_context_tokens
    fits = "the request does not fit" if view.fit.overflows else "the request fits"
    return f"{view.capabilities.window:,} tokens ({flag.origin}), {view.usable:,} for the prompt: {fits}"


def _budget(verdict: BudgetVerdict, action: str) -> str:
    share = f"{verdict.estimated:,} tokens, {verdict.ratio:.0%} of the room for the prompt"
    match verdict.state:
        case "ok":
            return f"{action}: {share}"
        case "warning":
            return f"{action}: {share}: a warning goes to the log and the client"
        case "trimmed":
            cut = f"{len(verdict.removed)} of {verdict.messages_before} messages are removed"
            return f"{action}: {share}: {cut}, {verdict.after:,} tokens remain"
        case "reject":
            return f"{action}: {share}: not asked, {overflow_error(verdict).message}"


def _putting(putting: Putting) -> Iterator[Row]:
    yield "sent", f"{putting.sent_bytes:,} bytes"
    if putting.forced:
        yield "tools", f"its answer is forced by a schema: a call of {', '.join(putting.forced)}"
    if putting.deferral is not None:
        yield "deferred", f"deferred tools {_DEFERRALS[putting.deferral]}"
    if putting.notes:
        more = f", and {len(putting.notes) - _MAX_NOTES} more" if len(putting.notes) > _MAX_NOTES else ""
        yield "left out", "; ".join(map(str, putting.notes[:_MAX_NOTES])) + more
    stages = [f"tool repair {putting.repair}"] if putting.repair else []
    stages += [f"filter {name}" for name in putting.filters]
    yield "answer", ", ".join([f"reasoning {_THINKING[putting.thinking]}", *stages])
    if putting.slot is not None:
        yield "slot", str(putting.slot)


def _costs(costing: Costing) -> str:
    price, parts = costing.price, []
    if not price.is_free:
        rates = f"{price.input_usd * MILLION:g} in and {price.output_usd * MILLION:g} out, USD per million tokens"
        parts.append(f"{rates}; an attempt reserves {costing.reserved_usd:.6f} USD")
    caps = [f"{scope} {usd:g} USD" for scope, usd in costing.caps.items()]
    return "; ".join([*parts, *([f"caps: {', '.join(caps)}"] if caps else [])])


def _limits(config: ProviderConfig, keys: int) -> Iterator[str]:
    limits = config.limits
    if keys > 1:
        yield f"{keys} keys, used in turn"
    for amount, unit in ((limits.requests_per_minute, "requests"), (limits.tokens_per_minute, "tokens")):
        if amount is not None:
            yield f"{amount:,} {unit} per minute{' and key' if keys > 1 else ''}"
    if config.max_concurrency is not None:
        yield f"{config.max_concurrency} at once"
    if config.min_chars_per_s is not None:
        yield f"given up for the next provider below {config.min_chars_per_s:g} characters per second"
