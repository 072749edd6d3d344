"""The whole configuration as frozen values; attribute names are the TOML keys (routing.md 19.1).

Word sets are `Literal` rather than enums: the words are what the file says, and mypy checks every comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from router.config.schema_ledger import (
    AdaptiveConfig,
    AuditConfig,
    BudgetConfig,
    CaptureConfig,
    OtelConfig,
    PriceConfig,
    ProbeConfig,
    RequestLogConfig,
)
from router.config.schema_profile import ProfileConfig
from router.config.schema_provider import CapabilitiesConfig, CommandLine, CostConfig, LimitsConfig, ProviderConfig, RestartConfig
from router.config.schema_rules import (
    AutoRouterConfig,
    AutoRuleConfig,
    CapabilityRuleConfig,
    HeaderMatch,
    MatchConfig,
    RuleCapabilities,
)
from router.config.schema_server import RoutingConfig, ServerConfig
from router.config.secret import Secret, Secrets


@frozen(kw_only=True)
class RouterConfig:
    """One valid configuration. `profiles` have `profile_defaults` applied already; that table is kept for display."""

    server: ServerConfig = field(factory=ServerConfig)
    routing: RoutingConfig = field(factory=RoutingConfig)
    mode_aliases: Mapping[str, str] = field(factory=dict)  # mode -> profile
    model_map: Mapping[str, str] = field(factory=dict)  # glob on the client's model -> profile, in file order
    profile_defaults: Mapping[str, object] = field(factory=dict)
    providers: tuple[ProviderConfig, ...] = ()
    profiles: tuple[ProfileConfig, ...] = ()
    auto_router: AutoRouterConfig | None = None
    capability_rules: tuple[CapabilityRuleConfig, ...] = ()
    adaptive: AdaptiveConfig = field(factory=AdaptiveConfig)
    budget: BudgetConfig = field(factory=BudgetConfig)
    prices: tuple[PriceConfig, ...] = ()
    probe: ProbeConfig = field(factory=ProbeConfig)
    audit: AuditConfig = field(factory=AuditConfig)
    request_log: RequestLogConfig = field(factory=RequestLogConfig)
    capture: CaptureConfig = field(factory=CaptureConfig)
    otel: OtelConfig = field(factory=OtelConfig)


@frozen(kw_only=True)
class ConfigWarning:
    """Something in the file that loads but will not do what it seems to; `kind` is a slug for the log."""

    kind: str
    path: str
    message: str
    line: int | None = None


@frozen(kw_only=True)
class LoadedConfig:
    """What one reading gave: the values, the secrets they name, the warnings, and the file they came from.

    `mode_source` tells what has chosen the default profile: `config`, `env` or `command-line`."""

    config: RouterConfig
    secrets: Secrets
    warnings: tuple[ConfigWarning, ...]
    path: Path
    mode_source: str = "config"


__all__ = [
    "AdaptiveConfig",
    "AuditConfig",
    "AutoRouterConfig",
    "AutoRuleConfig",
    "BudgetConfig",
    "CapabilitiesConfig",
    "CapabilityRuleConfig",
    "CaptureConfig",
    "CommandLine",
    "ConfigWarning",
    "CostConfig",
    "HeaderMatch",
    "LimitsConfig",
    "LoadedConfig",
    "MatchConfig",
    "OtelConfig",
    "PriceConfig",
    "ProbeConfig",
    "ProfileConfig",
    "ProviderConfig",
    "RequestLogConfig",
    "RestartConfig",
    "RouterConfig",
    "RoutingConfig",
    "RuleCapabilities",
    "Secret",
    "Secrets",
    "ServerConfig",
]
