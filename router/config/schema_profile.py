"""`[[profiles]]` (routing.md 6); `[profile_defaults]` has the same keys but `name` and `providers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from router.config.checks import AtLeast, Between, EachBetween, Matches, NotEmpty

ToolLoopAction = Literal["warn", "inject", "break"]
ToolCountAction = Literal["warn", "inject", "break"]
MemoryPressureAction = Literal["off", "warn", "skip"]
BackendHealthAction = Literal["off", "warn", "demote", "exclude"]
ContextBudgetAction = Literal["off", "warn", "trim", "reject"]
DriftAction = Literal["off", "warn", "promote", "reload"]
DriftSensitivity = Literal["low", "normal", "high"]
DRIFT_JUDGED_FROM: Mapping[DriftSensitivity, int] = {"low": 10, "normal": 6, "high": 4}  # attempts in a window, at least
PartialStitchAction = Literal["off", "surface", "continue"]
CommitPolicyWord = Literal["first_event", "first_content"]
EmptyResponseAction = Literal["off", "warn", "fallback"]
TruncationAction = Literal["off", "warn", "error"]
DeferredToolsAction = Literal["auto", "expand", "reject", "passthrough"]


@frozen(kw_only=True)
class ProfileConfig:
    """One named policy with its ordered providers. Seconds, USD; the statuses are HTTP's."""

    name: str = field(
        validator=Matches(
            r"(?!auto$)[!-~]([ -~]{0,126}[!-~])?", "a name of 1 to 128 ASCII characters, other than the reserved auto"
        )
    )
    providers: tuple[str, ...] = field(validator=NotEmpty("at least one provider"))

    timeout_s: float | None = field(default=None, validator=Between(1, 86_400))  # None: each provider's own
    append_system_prompt: str | None = None  # None: the provider's own; "" clears it
    commit_policy: CommitPolicyWord = "first_content"
    max_attempts: int | None = field(default=None, validator=Between(1, 100))
    request_deadline_s: float | None = field(default=None, validator=Between(0.01, 86_400))
    retry_statuses: tuple[int, ...] = field(default=(), validator=EachBetween(400, 599))
    stop_statuses: tuple[int, ...] = field(default=(), validator=EachBetween(400, 599))
    fallback_on_client_error: bool = False
    empty_response_action: EmptyResponseAction = "fallback"
    stream_truncation_action: TruncationAction = "error"
    partial_stitch_action: PartialStitchAction = "off"
    deferred_tools_action: DeferredToolsAction = "auto"
    sticky: bool = False
    adaptive: bool = False
    monthly_budget_usd: float | None = field(default=None, validator=AtLeast(0))

    tool_loop_window: int = field(default=5, validator=Between(2, 50))
    tool_loop_threshold: int = field(default=3, validator=Between(2, 50))
    tool_loop_action: ToolLoopAction = "warn"
    max_tool_calls: int = field(default=50, validator=Between(0, 1000))  # since the last human turn; 0: no limit
    max_tool_calls_action: ToolCountAction = "warn"
    max_tool_calls_hard: int = field(default=0, validator=Between(0, 10_000))  # above it always break; 0: no limit
    memory_pressure_action: MemoryPressureAction = "warn"
    memory_pressure_cooldown_s: int = field(default=120, validator=Between(10, 3600))
    context_budget_action: ContextBudgetAction = "off"
    context_budget_warn_threshold: float = field(default=0.80, validator=Between(0.1, 1))
    context_budget_trim_threshold: float = field(default=0.90, validator=Between(0.1, 1))
    context_budget_trim_target: float = field(default=0.75, validator=Between(0.1, 1))
    context_budget_preserve_last_n: int = field(default=4, validator=Between(1, 100))
    drift_detection_action: DriftAction = "off"
    drift_detection_window_size: int = field(default=20, validator=Between(4, 200))
    drift_detection_cooldown_s: int = field(default=300, validator=Between(10, 3600))
    drift_detection_sensitivity: DriftSensitivity = "normal"

    backend_health_action: BackendHealthAction = "warn"
    backend_health_threshold: int = field(default=3, validator=Between(2, 20))
    recovery_probe_initial_s: float = field(default=30.0, validator=Between(5, 600))
    recovery_probe_max_s: float = field(default=300.0, validator=Between(30, 3600))
    restart_timeout_s: float = field(default=30.0, validator=Between(5, 120))
