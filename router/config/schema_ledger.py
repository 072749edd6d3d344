"""`[adaptive]`, `[budget]`, `[[prices]]`, `[probe]` and the tables of what is noted (routing.md 12.4, 13.3, 19.1)."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from router.config.checks import AtLeast, Between, EnvName, HttpUrl, NotEmpty, Zone

AdaptiveMode = Literal["off", "shadow", "on"]

_MIB = 1024 * 1024


@frozen(kw_only=True)
class AdaptiveConfig:
    """Thresholds of adaptive routing; `mode` rules over the profiles that ask for it."""

    mode: AdaptiveMode = "on"
    window_s: float = field(default=60.0, validator=Between(1, 86_400))
    latency_factor: float = field(default=1.5, validator=Between(1, 100))
    error_rate: float = field(default=0.10, validator=Between(0, 1))
    debounce_s: float = field(default=30.0, validator=Between(0, 3600))
    min_latency_samples: int = field(default=3, validator=Between(1, 10_000))
    min_error_samples: int = field(default=5, validator=Between(1, 10_000))


@frozen(kw_only=True)
class BudgetConfig:
    """Caps over all providers; days and months begin in `timezone`."""

    daily_usd: float | None = field(default=None, validator=AtLeast(0))
    monthly_usd: float | None = field(default=None, validator=AtLeast(0))
    timezone: str = field(default="UTC", validator=Zone())


@frozen(kw_only=True)
class PriceConfig:
    """Prices by a glob on the model, for providers without a `cost` of their own. USD per 10^6 tokens."""

    match: str = field(validator=NotEmpty("a glob"))
    input_tokens_per_million: float | None = field(default=None, validator=AtLeast(0))
    output_tokens_per_million: float | None = field(default=None, validator=AtLeast(0))
    cache_read_discount: float = field(default=0.10, validator=Between(0, 1))
    cache_creation_premium: float = field(default=1.25, validator=AtLeast(0))
    cache_creation_1h_premium: float = field(default=2.0, validator=AtLeast(0))


@frozen(kw_only=True)
class ProbeConfig:
    """Requests of our own that keep the health of quiet providers known."""

    enabled: bool = False
    interval_s: float = field(default=60.0, validator=Between(5, 3600))
    timeout_s: float = field(default=10.0, validator=Between(1, 60))
    cold_timeout_s: float = field(default=120.0, validator=Between(1, 3600))
    parallel: int = field(default=4, validator=Between(1, 64))
    paid: bool = False
    jitter: float = field(default=0.1, validator=Between(0, 1))


@frozen(kw_only=True)
class AuditConfig:
    """The audit file in `[server].state_dir`."""

    enabled: bool = False
    max_bytes: int = field(default=10 * _MIB, validator=Between(_MIB, 1024 * _MIB))
    backups: int = field(default=1, validator=Between(0, 100))


@frozen(kw_only=True)
class RequestLogConfig:
    """The request journal in `[server].state_dir`."""

    enabled: bool = False
    max_bytes: int = field(default=50 * _MIB, validator=Between(_MIB, 1024 * _MIB))
    backups: int = field(default=1, validator=Between(0, 100))


@frozen(kw_only=True)
class CaptureConfig:
    """The recording of requests in `[server].state_dir`; no `profiles`: those of every one."""

    enabled: bool = False
    max_bytes: int = field(default=50 * _MIB, validator=Between(_MIB, 1024 * _MIB))
    backups: int = field(default=1, validator=Between(0, 100))
    max_age_days: int = field(default=7, validator=Between(1, 365))
    max_body_bytes: int = field(default=_MIB, validator=Between(1024, 8 * _MIB))
    profiles: tuple[str, ...] = ()


@frozen(kw_only=True)
class OtelConfig:
    """Spans and metrics for an OpenTelemetry collector, sent over OTLP/HTTP below `endpoint`; the extra `otel`."""

    enabled: bool = False
    endpoint: str = field(default="http://127.0.0.1:4318", validator=HttpUrl())
    headers_env: str | None = field(default=None, validator=EnvName())
    service_name: str = field(default="nursery-router", validator=NotEmpty("a name"))
    sample_ratio: float = field(default=1.0, validator=Between(0, 1))  # of the traces that no client has decided about
    metrics: bool = True
