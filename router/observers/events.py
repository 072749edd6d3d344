"""Every event that the daemon tells, with its level and fields (routing.md 18, supervision.md 21.9).

The names are those of the specs, kebab-case, so that dashboards made for CodeRouter carry over (decision 6). On top of
its fields a line has `ts`, `level` and `event`; `exc_info` becomes a traceback without local variables."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from attrs import frozen

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR


@frozen
class EventSpec:
    """`level` is the standard library's number; `fields` are the names that the event may carry.

    `quiet_if` names the field that makes it a detail where it is true."""

    level: int
    fields: tuple[str, ...] = ()
    quiet_if: str | None = None


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
    "output_tokens",
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
        ),
    ),
    "router-shutdown": EventSpec(INFO, ("exit_code",)),
    "ingress-bind-failed": EventSpec(ERROR, ("message",)),
    "stop-requested": EventSpec(INFO, ("signal", "in_flight", "hastened", "detail")),
    "state-dump": EventSpec(INFO, ("state",)),
    "clock-jumped": EventSpec(WARNING, ("by_s",)),
    "canary-failed": EventSpec(WARNING, ("reason", "watchdog_s")),
    "config-warning": EventSpec(WARNING, ("kind", "path", "message", "line")),
    "config-reload": EventSpec(WARNING, ("result", "detail")),
    # what an operator asked of it; `peer` is who, by address
    "admin-action": EventSpec(INFO, ("action", "provider", "request_id", "result", "peer")),
    # managed processes
    "process-started": EventSpec(INFO, (*_PROCESS_FIELDS, "pid")),
    "process-ready": EventSpec(INFO, (*_PROCESS_FIELDS, "pid", "start_s")),
    "process-idle-stopped": EventSpec(INFO, (*_PROCESS_FIELDS, "pid", "exit", "uptime_s")),
    "process-ended": EventSpec(INFO, (*_PROCESS_FIELDS, "pid", "exit", "uptime_s", "reason", "tail")),
    "process-start-failed": EventSpec(WARNING, (*_PROCESS_FIELDS, "tries", "reason", "message", "exit")),
    "process-port-taken": EventSpec(WARNING, (*_PROCESS_FIELDS, "port", "owner", "hint")),
    "process-log-failed": EventSpec(WARNING, ("path", "error")),
    "process-leftover-swept": EventSpec(WARNING, ("pid", "job", "instance", "command", "arguments_hash")),
    # the tree (supervision.md 21.9)
    "supervisor-child-ended": EventSpec(
        WARNING, ("child", "reason", "error_class", "uptime_s", "restarts_in_period", "exc_info")
    ),
    "supervisor-child-restarted": EventSpec(WARNING, ("child", "delay_s")),
    "supervisor-exhausted": EventSpec(ERROR, ("child", "action", "exc_info")),
    "router-crashed": EventSpec(ERROR, ("exc_info",)),
    "supervisor-quarantine": EventSpec(ERROR, ("child", "error_class")),
    # state on disk (supervision.md 12, 21.10)
    "state-locked": EventSpec(ERROR, ("message",)),
    "state-store-attached": EventSpec(INFO, ("path", "rows", "pending")),
    "state-store-failed": EventSpec(WARNING, ("path", "operation", "error", "pending")),
    "state-reset": EventSpec(ERROR, ("path", "kept_as")),
    "state-quarantined": EventSpec(ERROR, ("path", "keys")),
    "state-pruned": EventSpec(INFO, ("namespace", "keys")),
    "state-row-dropped": EventSpec(ERROR, ("namespace", "key", "reason")),
    "state-degraded": EventSpec(ERROR, ("part", "path", "error")),
    "state-recovered": EventSpec(INFO, ("part", "path", "failing_s", "was_degraded")),
    # health and self-healing: these suffice to follow every provider (supervision.md 21.5.2, I26)
    "backend-health-changed": EventSpec(WARNING, ("old_state", "new_state", "consecutive_failures", *_HEALTH_FIELDS)),
    "self-healing-exclude": EventSpec(WARNING, ("consecutive_failures", "backoff_level", "error", *_HEALTH_FIELDS)),
    "self-healing-hold": EventSpec(WARNING, ("reason", "error", *_HEALTH_FIELDS)),
    "self-healing-restore": EventSpec(INFO, ("excluded_duration_s", "backoff_level", *_HEALTH_FIELDS)),
    "self-healing-admitted": EventSpec(INFO, ("backoff_level", *_HEALTH_FIELDS)),
    "self-healing-state-restored": EventSpec(INFO, ("backoff_level", "consecutive_failures", *_HEALTH_FIELDS)),
    "self-healing-state-reset": EventSpec(ERROR, _HEALTH_FIELDS),
    "self-healing-recovery-probe": EventSpec(
        INFO, ("success", "verdict", "reason", "error", "latency_ms", "next_interval_s", "backoff_level", *_HEALTH_FIELDS)
    ),
    "continuous-probe-started": EventSpec(INFO, ("interval_s", "probe_paid", "providers")),
    "probe-completed": EventSpec(
        INFO, ("provider", "success", "verdict", "class", "reason", "status", "latency_ms", "error", "model_name")
    ),
    "probe-capabilities-drift": EventSpec(WARNING, ("provider", "configured_model", "observed_model")),
    "self-healing-restart": EventSpec(
        WARNING, (*_RESTART_FIELDS, "command", "arguments_hash", "success", "duration_s", "exit", "error", "tail")
    ),
    "self-healing-restart-suppressed": EventSpec(
        WARNING, (*_RESTART_FIELDS, "reason", "retry_in_s", "error", *_HEALTH_FIELDS[1:])
    ),
    # a cache flush after drifted replies (supervision.md 5.4); the skip: this provider's server has none
    "drift-reload-attempted": EventSpec(INFO, ("success", "detail", *_HEALTH_FIELDS)),
    "drift-reload-skip": EventSpec(DEBUG, ("detail", *_HEALTH_FIELDS)),
    # a request
    "request-complete": EventSpec(INFO, _REQUEST_FIELDS),
    "request-refused": EventSpec(INFO, ("request_id", "method", "path", "kind")),
    "request-crashed": EventSpec(ERROR, ("request_id", "path", "exc_info")),
    "connection-crashed": EventSpec(ERROR, ("exc_info",)),
    "accept-paused": EventSpec(WARNING, ("reason",)),
    "client-disconnected": EventSpec(INFO, ("request_id", "phase", "provider", "total_ms")),
    "mode-alias-resolved": EventSpec(INFO, ("request_id", "mode", "profile")),
    "model-unmatched": EventSpec(WARNING, ("request_id", "model", "profile")),
    "auto-router-resolved": EventSpec(INFO, ("request_id", "rule_id", "resolved_profile", "signals")),
    "auto-router-fallthrough": EventSpec(INFO, ("request_id", "resolved_profile", "signals")),
    "count-tokens-served": EventSpec(INFO, ("request_id", "profile", "input_tokens", "provider")),
    # a chain and its attempts
    "chain-resolved": EventSpec(DEBUG, ("request_id", "profile", "chain", "skipped")),
    "chain-empty": EventSpec(WARNING, ("request_id", "profile", "skipped")),
    "skip-budget-exceeded": EventSpec(
        INFO, ("request_id", "provider", "profile", "scope", "monthly_budget_usd", "current_total_usd", "month")
    ),
    "chain-budget-exceeded": EventSpec(WARNING, ("request_id", "profile", "blocked_providers", "month", "hint")),
    "chain-paid-gate-blocked": EventSpec(WARNING, ("request_id", "profile", "blocked_providers", "hint")),
    "chain-memory-pressure-blocked": EventSpec(WARNING, ("request_id", "profile", "blocked_providers", "hint")),
    "demote-unhealthy-provider": EventSpec(INFO, ("request_id", "profile", "provider")),
    "memory-pressure-detected": EventSpec(INFO, ("request_id", "provider", "profile", "action", "cooldown_s", "error")),
    "chain-last-resort": EventSpec(WARNING, ("request_id", "profile", "providers")),
    "fallback-occurred": EventSpec(WARNING, _HOP_FIELDS, quiet_if="absent"),
    "grammar-violation": EventSpec(WARNING, ("request_id", "provider", "dialect", "rule", "total")),
    "tool-args-invalid": EventSpec(WARNING, ("request_id", "provider", "calls")),
    "attempt-complete": EventSpec(DEBUG, _ATTEMPT_FIELDS),
    "provider-failed": EventSpec(WARNING, _FAILURE_FIELDS, quiet_if="absent"),
    "empty-response-detected": EventSpec(WARNING, ("request_id", "provider", "action", "stream", "chain_exhausted")),
    "provider-failed-midstream": EventSpec(WARNING, _FAILURE_FIELDS),
    "adaptive-routing-applied": EventSpec(INFO, ("profile", "mode", "static_order", "effective_order", "stats")),
    "provider-key-rests": EventSpec(WARNING, ("provider", "key", "reason", "rests_s")),
    "chain-claude-code-suitability-degraded": EventSpec(WARNING, ("profile", "degraded_providers", "degraded_models", "hint")),
    "chain-uniform-auth-failure": EventSpec(WARNING, ("profile", "status", "count", "providers", "hint")),
    # what it costs (routing.md 13)
    "cache-observed": EventSpec(INFO, _CACHE_FIELDS),
    "budget-threshold": EventSpec(WARNING, ("scope", "name", "percent", "spent_usd", "cap_usd", "period")),
    "capability-degraded": EventSpec(INFO, ("request_id", "provider", "dropped", "reason")),
    # guards (supervision.md 2 to 5, 9; wire.md 14 to 16)
    "tool-loop-detected": EventSpec(WARNING, (*_GUARD_FIELDS, "tool_name", "repeat_count", "threshold", "window", "action")),
    "tool-count-exceeded": EventSpec(WARNING, (*_GUARD_FIELDS, "total_count", "max_allowed", "action")),
    "context-budget-warning": EventSpec(
        WARNING, (*_GUARD_FIELDS, "estimated_tokens", "max_context_tokens", "usage_ratio", "action")
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
    ),
    "drift-detected": EventSpec(WARNING, (*_GUARD_FIELDS, "severity", "reason", "action", "signals")),
    "drift-promoted": EventSpec(INFO, (*_GUARD_FIELDS, "cooldown_s")),
    "drift-recovered": EventSpec(INFO, (*_GUARD_FIELDS, "after_s")),
    "tool-call-repaired": EventSpec(INFO, ("request_id", "provider", "forms", "count")),
    "tool-repair-gave-up": EventSpec(WARNING, ("request_id", "provider")),
    "output-filter-applied": EventSpec(INFO, ("request_id", "provider", "filters", "streaming")),
    "stream-truncation-detected": EventSpec(WARNING, ("request_id", "provider", "action", "wire", "tool_call_in_flight")),
    "partial-stitch-surfaced": EventSpec(INFO, (*_GUARD_FIELDS, "text_blocks", "text_length")),
    # what a library says through the standard library's logging
    "library-message": EventSpec(WARNING, ("logger", "message", "exc_info")),
}
UNLISTED = EventSpec(INFO)


def level_of(name: str, fields: Mapping[str, object]) -> int:
    """Return the level at which an event is told."""
    spec = EVENTS.get(name, UNLISTED)
    return DEBUG if spec.quiet_if is not None and fields.get(spec.quiet_if) else spec.level
