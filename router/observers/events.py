"""Every event that the daemon tells, with its level and fields (routing.md 18, supervision.md 21.9).

The names are those of the specs, kebab-case, so that dashboards made for CodeRouter carry over (founding decision 6). On top of
its fields a line has `ts`, `level` and `event`; `exc_info` becomes a traceback without local variables."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from attrs import frozen

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR


@frozen
class EventSpec:
    """`level` is the standard library's number; `fields` are the names that the event may carry.

    `quiet_if` names the field that makes it a detail where it is true. `audited`: it stands in the audit file, unless it
    is a detail: what an operator may want to find later, of the daemon, its providers and what was decided about them."""

    level: int
    fields: tuple[str, ...] = ()
    quiet_if: str | None = None
    audited: bool = False


_REQUEST_FIELDS = (
    "request_id",
    "dialect",
    "model",
    "profile",
    "why",
    "session",
    "request_class",
    "stream",
    "provider",
    "answered_model",
    "chain",
    "skipped",
    "moved",
    "dropped",
    "upstream_request_id",
    "status",
    "outcome",
    "ttft_ms",
    "total_ms",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "estimated",
    "cost_usd",
    "cost_savings_usd",
    "chain_costs_usd",
    "chain_savings_usd",
    "context_budget",
    "drift",
    "drained",
    "drained_bytes",
    "traceparent",
)
_HEALTH_FIELDS = ("provider", "health", "admission", "gen", "source")
_PROCESS_FIELDS = ("process", "provider")
_RESTART_FIELDS = ("provider", "providers", "group", "mode")
_CACHE_FIELDS = (
    "request_id",
    "provider",
    "request_had_cache_control",
    "outcome",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "input_tokens",
    "output_tokens",
    "streaming",
    "cost_usd",
    "cost_savings_usd",
)
_FAILURE_FIELDS = ("request_id", "provider", "status", "reason", "retryable", "error", "absent")
_ATTEMPT_FIELDS = (
    "request_id",
    "provider",
    "profile",
    "model",
    "stream",
    "outcome",
    "reason",
    "ttft_ms",
    "total_ms",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "estimated",
    "cost_usd",
    "cost_savings_usd",
    "span_id",
)
_HOP_FIELDS = (
    "request_id",
    "provider",
    "from_provider",
    "to_provider",
    "reason",
    "detail",
    "profile",
    "stream",
    "pre_attempt",
    "absent",
    "hop_index",
)

_GUARD_FIELDS = ("request_id", "provider", "profile")

EVENTS: Mapping[str, EventSpec] = {
    # the daemon; a listener that fails loses events, and no request
    "observer-failed": EventSpec(ERROR, ("observer", "exc_info")),
    "router-startup": EventSpec(
        INFO,
        (
            "version",
            "addresses",
            "config",
            "providers",
            "profiles",
            "allow_paid",
            "default_profile",
            "mode_source",
        ),
        audited=True,
    ),
    "router-shutdown": EventSpec(INFO, ("exit_code",), audited=True),
    "ingress-bind-failed": EventSpec(ERROR, ("message",), audited=True),
    "stop-requested": EventSpec(INFO, ("signal", "in_flight", "hastened", "detail"), audited=True),
    "state-dump": EventSpec(INFO, ("state",)),
    "clock-jumped": EventSpec(WARNING, ("by_s",), audited=True),
    "canary-failed": EventSpec(WARNING, ("reason", "watchdog_s"), audited=True),
    "config-warning": EventSpec(WARNING, ("kind", "path", "message", "line")),
    "config-reload": EventSpec(WARNING, ("result", "detail"), audited=True),
    # what an operator asked of it; `peer` is who, by address
    "admin-action": EventSpec(INFO, ("action", "provider", "request_id", "result", "peer"), audited=True),
    # managed processes
    "process-started": EventSpec(INFO, (*_PROCESS_FIELDS, "pid"), audited=True),
    "process-ready": EventSpec(INFO, (*_PROCESS_FIELDS, "pid", "start_s"), audited=True),
    "process-idle-stopped": EventSpec(INFO, (*_PROCESS_FIELDS, "pid", "exit", "uptime_s"), audited=True),
    "process-ended": EventSpec(INFO, (*_PROCESS_FIELDS, "pid", "exit", "uptime_s", "reason", "tail"), audited=True),
    "process-start-failed": EventSpec(WARNING, (*_PROCESS_FIELDS, "tries", "reason", "message", "exit"), audited=True),
    "process-port-taken": EventSpec(WARNING, (*_PROCESS_FIELDS, "port", "owner", "hint"), audited=True),
    "process-log-failed": EventSpec(WARNING, ("path", "error"), audited=True),
    "process-leftover-swept": EventSpec(WARNING, ("pid", "job", "instance", "command", "arguments_hash"), audited=True),
    # the tree (supervision.md 21.9)
    "supervisor-child-ended": EventSpec(
        WARNING,
        ("child", "reason", "error_class", "uptime_s", "restarts_in_period", "exc_info", "error", "told"),
        quiet_if="told",  # by the child itself: the writer of a file whose disk is full, say
        audited=True,
    ),
    "supervisor-child-restarted": EventSpec(WARNING, ("child", "delay_s", "told"), quiet_if="told", audited=True),
    "supervisor-exhausted": EventSpec(ERROR, ("child", "action", "exc_info", "told"), quiet_if="told", audited=True),
    "router-crashed": EventSpec(ERROR, ("exc_info",), audited=True),
    "supervisor-quarantine": EventSpec(ERROR, ("child", "error_class"), audited=True),
    # state on disk (supervision.md 12, 21.10)
    "state-locked": EventSpec(ERROR, ("message", "then")),
    "state-lock-renewed": EventSpec(WARNING, ("path",), audited=True),  # the directory was removed or replaced
    "state-store-attached": EventSpec(INFO, ("path", "rows", "pending", "again"), quiet_if="again", audited=True),
    "state-store-failed": EventSpec(WARNING, ("path", "operation", "error", "pending", "then"), audited=True),
    "state-reset": EventSpec(ERROR, ("path", "kept_as"), audited=True),
    "state-quarantined": EventSpec(ERROR, ("path", "keys"), audited=True),
    "state-pruned": EventSpec(INFO, ("namespace", "keys"), audited=True),
    "state-row-dropped": EventSpec(ERROR, ("namespace", "key", "reason"), audited=True),
    "state-degraded": EventSpec(ERROR, ("part", "path", "error", "then"), audited=True),
    "state-recovered": EventSpec(INFO, ("part", "path", "failing_s", "was_degraded", "dropped"), audited=True),
    # the files of lines (supervision.md 13, 14)
    "audit-log-started": EventSpec(INFO, ("path", "max_bytes", "backups"), audited=True),
    "audit-log-stopped": EventSpec(INFO, ("path",), audited=True),
    "request-log-started": EventSpec(INFO, ("path", "max_bytes", "backups"), audited=True),
    "request-log-stopped": EventSpec(INFO, ("path",), audited=True),
    # requests are recorded, with what is said in them: nobody shall find that out from the files
    "capture-started": EventSpec(WARNING, ("path", "max_bytes", "backups"), audited=True),
    "capture-stopped": EventSpec(INFO, ("path",), audited=True),
    # health and self-healing: these suffice to follow every provider (supervision.md 21.5.2, I26)
    "backend-health-changed": EventSpec(
        WARNING, ("old_state", "new_state", "consecutive_failures", *_HEALTH_FIELDS), audited=True
    ),
    "self-healing-exclude": EventSpec(WARNING, ("consecutive_failures", "backoff_level", "error", *_HEALTH_FIELDS), audited=True),
    "self-healing-hold": EventSpec(WARNING, ("reason", "error", *_HEALTH_FIELDS), audited=True),
    "self-healing-restore": EventSpec(INFO, ("excluded_duration_s", "backoff_level", *_HEALTH_FIELDS), audited=True),
    "self-healing-admitted": EventSpec(INFO, ("backoff_level", *_HEALTH_FIELDS), audited=True),
    "self-healing-state-restored": EventSpec(INFO, ("backoff_level", "consecutive_failures", *_HEALTH_FIELDS), audited=True),
    "self-healing-state-reset": EventSpec(ERROR, _HEALTH_FIELDS, audited=True),
    "self-healing-recovery-probe": EventSpec(
        INFO,
        ("success", "verdict", "reason", "error", "latency_ms", "next_interval_s", "backoff_level", *_HEALTH_FIELDS),
        audited=True,
    ),
    "continuous-probe-started": EventSpec(INFO, ("interval_s", "probe_paid", "providers")),
    "probe-completed": EventSpec(
        INFO, ("provider", "success", "verdict", "class", "reason", "status", "latency_ms", "error", "model_name")
    ),
    "probe-skipped": EventSpec(DEBUG, ("provider", "reason")),
    "probe-capabilities-drift": EventSpec(WARNING, ("provider", "configured_model", "observed_model"), audited=True),
    "self-healing-restart": EventSpec(
        WARNING, (*_RESTART_FIELDS, "command", "arguments_hash", "success", "duration_s", "exit", "error", "tail"), audited=True
    ),
    "self-healing-restart-suppressed": EventSpec(
        WARNING, (*_RESTART_FIELDS, "reason", "retry_in_s", "error", *_HEALTH_FIELDS[1:]), audited=True
    ),
    # a cache flush after drifted replies (supervision.md 5.4); the skip: this provider's server has none
    "drift-reload-attempted": EventSpec(INFO, ("success", "detail", *_HEALTH_FIELDS), audited=True),
    "drift-reload-skip": EventSpec(DEBUG, ("detail", *_HEALTH_FIELDS)),
    # a request
    "request-complete": EventSpec(INFO, _REQUEST_FIELDS),
    "request-refused": EventSpec(INFO, ("request_id", "method", "path", "kind", "status", "peer", "dialect")),
    "request-crashed": EventSpec(ERROR, ("request_id", "path", "exc_info"), audited=True),
    "connection-crashed": EventSpec(ERROR, ("exc_info",), audited=True),
    "accept-paused": EventSpec(WARNING, ("reason",), audited=True),
    "client-disconnected": EventSpec(INFO, ("request_id", "phase", "provider", "total_ms")),
    "mode-alias-resolved": EventSpec(INFO, ("request_id", "mode", "profile")),
    "model-unmatched": EventSpec(WARNING, ("request_id", "model", "profile")),
    "auto-router-resolved": EventSpec(INFO, ("request_id", "rule_id", "resolved_profile", "signals")),
    "auto-router-fallthrough": EventSpec(INFO, ("request_id", "resolved_profile", "signals")),
    "count-tokens-served": EventSpec(INFO, ("request_id", "profile", "input_tokens", "provider")),
    # a chain and its attempts
    "chain-resolved": EventSpec(DEBUG, ("request_id", "profile", "chain", "skipped", "moved")),
    "chain-empty": EventSpec(WARNING, ("request_id", "profile", "skipped"), audited=True),
    "skip-budget-exceeded": EventSpec(
        INFO,
        # `month` with its cap, or for the cap of a day `period` and `cap_usd`
        ("request_id", "provider", "profile", "scope", "monthly_budget_usd", "cap_usd", "current_total_usd", "month", "period"),
        audited=True,
    ),
    "chain-budget-exceeded": EventSpec(
        WARNING, ("request_id", "profile", "blocked_providers", "month", "period", "hint"), audited=True
    ),
    "chain-paid-gate-blocked": EventSpec(WARNING, ("request_id", "profile", "blocked_providers", "hint"), audited=True),
    "chain-memory-pressure-blocked": EventSpec(WARNING, ("request_id", "profile", "blocked_providers", "hint"), audited=True),
    "demote-unhealthy-provider": EventSpec(INFO, ("request_id", "profile", "provider"), audited=True),
    "memory-pressure-detected": EventSpec(
        INFO, ("request_id", "provider", "profile", "action", "cooldown_s", "error"), audited=True
    ),
    "chain-last-resort": EventSpec(WARNING, ("request_id", "profile", "providers"), audited=True),
    "fallback-occurred": EventSpec(WARNING, _HOP_FIELDS, quiet_if="absent", audited=True),
    "grammar-violation": EventSpec(WARNING, ("request_id", "provider", "dialect", "rule", "total")),
    "tool-args-invalid": EventSpec(WARNING, ("request_id", "provider", "calls")),
    "attempt-complete": EventSpec(DEBUG, _ATTEMPT_FIELDS),
    "provider-failed": EventSpec(WARNING, _FAILURE_FIELDS, quiet_if="absent"),
    "empty-response-detected": EventSpec(
        WARNING, ("request_id", "provider", "action", "stream", "chain_exhausted"), audited=True
    ),
    "provider-failed-midstream": EventSpec(WARNING, _FAILURE_FIELDS, audited=True),
    "adaptive-routing-applied": EventSpec(INFO, ("request_id", "profile", "mode", "static_order", "effective_order", "stats")),
    "provider-key-rests": EventSpec(WARNING, ("provider", "key", "reason", "rests_s"), audited=True),
    "chain-claude-code-suitability-degraded": EventSpec(WARNING, ("profile", "degraded_providers", "degraded_models", "hint")),
    "chain-uniform-auth-failure": EventSpec(
        WARNING, ("request_id", "profile", "status", "count", "providers", "hint"), audited=True
    ),
    # what it costs (routing.md 13)
    "cache-observed": EventSpec(INFO, _CACHE_FIELDS),
    "budget-threshold": EventSpec(WARNING, ("scope", "name", "percent", "spent_usd", "cap_usd", "period"), audited=True),
    "capability-degraded": EventSpec(INFO, ("request_id", "provider", "dropped", "reason")),
    # guards (supervision.md 2 to 5, 9; wire.md 14 to 16)
    "tool-loop-detected": EventSpec(
        WARNING, (*_GUARD_FIELDS, "tool_name", "repeat_count", "threshold", "window", "action"), audited=True
    ),
    "tool-count-exceeded": EventSpec(WARNING, (*_GUARD_FIELDS, "total_count", "max_allowed", "action"), audited=True),
    "context-budget-warning": EventSpec(
        WARNING, (*_GUARD_FIELDS, "estimated_tokens", "max_context_tokens", "usage_ratio", "action"), audited=True
    ),
    "context-budget-trimmed": EventSpec(
        INFO,
        (
            *_GUARD_FIELDS,
            "messages_removed",
            "messages_before",
            "messages_after",
            "estimated_tokens_before",
            "estimated_tokens_after",
            "max_context_tokens",
        ),
        audited=True,
    ),
    "drift-detected": EventSpec(WARNING, (*_GUARD_FIELDS, "severity", "reason", "action", "signals"), audited=True),
    "drift-promoted": EventSpec(INFO, (*_GUARD_FIELDS, "cooldown_s"), audited=True),
    "drift-recovered": EventSpec(INFO, (*_GUARD_FIELDS, "after_s"), audited=True),
    "tool-call-repaired": EventSpec(INFO, ("request_id", "provider", "forms", "count")),
    "tool-repair-gave-up": EventSpec(WARNING, ("request_id", "provider")),
    "output-filter-applied": EventSpec(INFO, ("request_id", "provider", "filters", "streaming")),
    "stream-truncation-detected": EventSpec(
        WARNING, ("request_id", "provider", "action", "wire", "tool_call_in_flight"), audited=True
    ),
    "partial-stitch-surfaced": EventSpec(INFO, (*_GUARD_FIELDS, "text_blocks", "text_length"), audited=True),
    # what a library says through the standard library's logging
    "library-message": EventSpec(WARNING, ("logger", "message", "exc_info")),
}
UNLISTED = EventSpec(INFO)
AUDITED = frozenset(name for name, spec in EVENTS.items() if spec.audited)


def level_of(name: str, fields: Mapping[str, object]) -> int:
    """Return the level at which an event is told."""
    spec = EVENTS.get(name, UNLISTED)
    return DEBUG if spec.quiet_if is not None and fields.get(spec.quiet_if) else spec.level
