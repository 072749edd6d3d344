"""Which event counts in which families: one table, no chain of conditions. Pure.

A rule turns an event's fields into rows of label values and an amount; who keeps the sums is `metrics.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import frozen

from router.domain.outcome import RequestResult, result_of
from router.observers import families as f
from router.observers.families import Family

Fields = Mapping[str, object]
Row = tuple[tuple[object, ...], object]  # label values, and the amount: what is no number counts nothing
Rows = Callable[[Fields], Iterable[Row]]

NUMBERS = (int, float)  # `int | float` would be made anew at each event
_WORD = re.compile(r"[:. \[]")  # ends the word of a note: `options.seed`, `cache_control x2`, `tools[0]: image`
_ADDED = ": absent, "
_FIELD = re.compile(r"\w+")  # a flag has dashes


@frozen
class Rule:
    """Adds rows to a family, observes them in a histogram, or sets a gauge."""

    family: Family
    rows: Rows


def one(family: Family, *labels: str) -> Rule:
    """Count one, labelled by these fields."""
    return Rule(family, lambda fields: ((tuple([fields.get(label) for label in labels]), 1),))


def one_if(family: Family, condition: str, *labels: str) -> Rule:
    """Count one where the field `condition` is true."""
    return Rule(family, lambda fields: ((tuple([fields.get(label) for label in labels]), 1),) if fields.get(condition) else ())


def amount(family: Family, name: str, *labels: str) -> Rule:
    """Take the amount from the field `name`; one that is None or 0 adds nothing."""

    def rows(fields: Fields) -> Iterable[Row]:
        value = fields.get(name)
        return ((tuple([fields.get(label) for label in labels]), value),) if value else ()

    return Rule(family, rows)


def milliseconds(family: Family, name: str, *labels: str, only: str | None = None) -> Rule:
    """Observe the field `name`, in milliseconds, as seconds; `only` where the field of that name is true."""

    def rows(fields: Fields) -> Iterable[Row]:
        value = fields.get(name)
        if isinstance(value, NUMBERS) and (only is None or fields.get(only)):
            return ((tuple([fields.get(label) for label in labels]), value / 1000),)
        return ()

    return Rule(family, rows)


def each(family: Family, name: str) -> Rule:
    """Count one for each item of the list `name`, which is the label."""
    return Rule(family, lambda fields: [((item,), 1) for item in _listed(fields, name)])


def _ended(fields: Fields) -> Iterable[Row]:
    outcome = fields.get("outcome")
    return (((fields.get("profile"), outcome, result_of(outcome, has_asked=bool(fields.get("chain")))), 1),)


def _turned_away(fields: Fields) -> Iterable[Row]:
    """Return a request to a model that was refused at the door; a page is none."""
    return (((None, fields.get("kind"), RequestResult.REFUSED), 1),) if fields.get("dialect") else ()


def _failures(fields: Fields) -> Iterable[Row]:
    return () if fields.get("reason") is None else (((fields.get("provider"), fields["reason"]), 1),)


def _skipped(fields: Fields) -> Iterable[Row]:
    """Return who was left out; the log has `provider: reason`, and no name of a provider holds a space."""
    return [((provider, reason), 1) for provider, _, reason in (str(one).partition(": ") for one in _listed(fields, "skipped"))]


def _left_out(fields: Fields) -> Iterable[Row]:
    """Return what a request went without, each word once; a limit that its client had not said is nothing left out."""
    if not (dropped := _listed(fields, "dropped")):
        return ()  # nearly every request
    notes = map(str, dropped)
    return [((word,), 1) for word in dict.fromkeys(_WORD.split(note, maxsplit=1)[0] for note in notes if _ADDED not in note)]


def _degraded(fields: Fields) -> Iterable[Row]:
    """Return what was left out of an answer, and the flags that an upstream refused.

    A field that it refused is noted with each request that goes without."""
    names = map(str, _listed(fields, "dropped"))
    is_noted = fields.get("reason") == "refused-by-upstream"
    return [((name,), 1) for name in names if not (is_noted and _FIELD.fullmatch(name))]


def _restarted(fields: Fields) -> Iterable[Row]:
    result = "ok" if fields.get("success") else "failed"
    return [((provider, fields.get("group"), result), 1) for provider in _listed(fields, "providers")]


def _listed(fields: Fields, name: str) -> Sequence[object]:
    value = fields.get(name)
    return value if isinstance(value, list | tuple) else ()


RULES: Mapping[str, tuple[Rule, ...]] = {
    "request-complete": (
        Rule(f.REQUESTS, _ended),
        milliseconds(f.REQUEST_SECONDS, "total_ms", "profile"),
        Rule(f.SKIPPED, _skipped),
        Rule(f.CAPABILITY_DEGRADED, _left_out),
    ),
    "request-refused": (one(f.REFUSED, "kind"), Rule(f.REQUESTS, _turned_away)),
    "request-crashed": (one(f.REQUEST_CRASHES),),
    "client-disconnected": (one(f.DISCONNECTS, "phase"),),
    "attempt-complete": (
        one(f.ATTEMPTS, "provider", "outcome"),
        milliseconds(f.ATTEMPT_SECONDS, "total_ms", "provider", "outcome"),
        milliseconds(f.TTFT_SECONDS, "ttft_ms", "provider", only="stream"),
        Rule(f.FAILURES, _failures),
        amount(f.INPUT_TOKENS, "input_tokens", "provider"),
        amount(f.OUTPUT_TOKENS, "output_tokens", "provider"),
        amount(f.CACHE_READ, "cache_read_input_tokens", "provider"),
        amount(f.CACHE_CREATION, "cache_creation_input_tokens", "provider"),
        amount(f.COST, "cost_usd", "provider"),
        amount(f.SAVINGS, "cost_savings_usd", "provider"),
    ),
    "fallback-occurred": (one_if(f.FALLBACKS, "to_provider", "provider", "reason"),),
    "chain-paid-gate-blocked": (one(f.PAID_GATE_BLOCKED),),
    "chain-budget-exceeded": (one(f.BUDGET_EXCEEDED),),
    "chain-memory-pressure-blocked": (one(f.PRESSURE_BLOCKED),),
    "chain-uniform-auth-failure": (one(f.UNIFORM_AUTH_FAILURE),),
    "chain-last-resort": (one(f.LAST_RESORT, "profile"),),
    "auto-router-fallthrough": (one(f.AUTO_FALLTHROUGH),),
    "demote-unhealthy-provider": (one(f.DEMOTED, "provider"),),
    "provider-key-rests": (one(f.KEY_RESTS, "provider"),),
    "cache-observed": (one(f.CACHE_OBSERVED, "provider", "outcome"),),
    "capability-degraded": (Rule(f.CAPABILITY_DEGRADED, _degraded),),
    "output-filter-applied": (each(f.FILTERS, "filters"),),
    "context-budget-warning": (
        one(f.CONTEXT_WARNINGS, "provider", "profile"),
        amount(f.CONTEXT_RATIO, "usage_ratio", "provider", "profile"),
    ),
    "context-budget-trimmed": (one(f.CONTEXT_TRIMS, "provider", "profile"),),
    "memory-pressure-detected": (one(f.MEMORY_PRESSURE, "provider", "profile"),),
    "tool-loop-detected": (one(f.TOOL_LOOPS, "profile", "action"),),
    "tool-count-exceeded": (one(f.TOOL_COUNTS, "profile", "action"),),
    "drift-detected": (one(f.DRIFT_DETECTED, "provider", "profile"),),
    "drift-promoted": (one(f.DRIFT_PROMOTED, "provider", "profile"),),
    "drift-reload-attempted": (one(f.DRIFT_RELOADS, "provider"), one_if(f.DRIFT_RELOADED, "success", "provider")),
    "partial-stitch-surfaced": (one(f.STITCHES),),
    "tool-call-repaired": (amount(f.TOOLS_REPAIRED, "count", "provider"),),
    "tool-repair-gave-up": (one(f.TOOLS_GIVEN_UP, "provider"),),
    "tool-args-invalid": (one(f.TOOL_ARGS_INVALID, "provider"),),
    "empty-response-detected": (one(f.EMPTY_RESPONSES, "provider"),),
    "stream-truncation-detected": (one(f.TRUNCATIONS, "provider"),),
    "grammar-violation": (one(f.GRAMMAR, "dialect"),),
    "backend-health-changed": (one(f.TRANSITIONS, "provider", "new_state"),),
    "probe-completed": (one(f.PROBES, "provider", "verdict"), milliseconds(f.PROBE_SECONDS, "latency_ms", "provider")),
    "probe-skipped": (one(f.PROBES_SKIPPED, "provider", "reason"),),
    "probe-capabilities-drift": (one(f.PROBE_DRIFT, "provider"),),
    "self-healing-recovery-probe": (one(f.RECOVERY_PROBES, "provider", "verdict"),),
    "self-healing-restart": (Rule(f.RESTARTS, _restarted),),
    "self-healing-restart-suppressed": (one(f.RESTARTS_SUPPRESSED, "provider", "reason"),),
    "config-reload": (one(f.RELOADS, "result"),),
    "admin-action": (one(f.ADMIN_ACTIONS, "action"),),
    "canary-failed": (one(f.CANARY_FAILURES),),
}
