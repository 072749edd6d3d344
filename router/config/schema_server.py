"""`[server]` and `[routing]` (routing.md 19.1, 10.4)."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from router.config.checks import AtLeast, Between, Directory, EnvName, NotEmpty, Zone

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "text"]
ResolveModel = Literal["off", "exact", "map"]

_A_DAY_S = 86_400


@frozen(kw_only=True)
class ServerConfig:
    """The daemon and its front. `*_token_env` name variables; seconds, bytes."""

    host: str = field(default="127.0.0.1", validator=NotEmpty("an address"))
    port: int = field(default=8088, validator=Between(0, 65_535))  # 0: any free port, told in the log
    log_level: LogLevel = "info"
    log_format: LogFormat = "auto"  # json, unless stderr is a terminal
    display_timezone: str | None = field(default=None, validator=Zone())
    state_dir: str | None = field(default=None, validator=Directory())
    allowed_hosts: tuple[str, ...] = ()
    max_body_bytes: int = field(default=32 * 1024 * 1024, validator=Between(1024, 2**31 - 1))
    max_in_flight: int = field(default=256, validator=Between(1, 100_000))
    max_running: int | None = field(default=None, validator=Between(1, 100_000))  # None: as many as may be in flight
    session_max_in_flight: int = field(default=16, validator=Between(0, 100_000))  # 0: no limit
    queue_max: int = field(default=256, validator=Between(0, 10_000))
    queue_timeout_s: float = field(default=60.0, validator=Between(0, 3600))
    client_token_env: str | None = field(default=None, validator=EnvName())
    metrics_token_env: str | None = field(default=None, validator=EnvName())
    admin_token_env: str | None = field(default=None, validator=EnvName())
    locked_profiles: bool = False
    list_providers: bool = False
    sse_keepalive_s: float = field(default=15.0, validator=Between(0.01, 3600))
    header_grace_s: float = field(default=10.0, validator=Between(0.01, 3600))
    write_timeout_s: float = field(default=60.0, validator=Between(0.01, 3600))
    stream_deadline_s: float | None = field(default=None, validator=Between(0.01, _A_DAY_S))
    drain_timeout_s: float = field(default=20.0, validator=Between(0, 3600))
    tag_body: bool = False
    stream_summary: bool = False
    grammar_check: bool = False


@frozen(kw_only=True)
class RoutingConfig:
    """How a request finds its profile, and a profile its providers."""

    allow_paid: bool = False
    default_profile: str = "default"
    resolve_model: ResolveModel = "map"
    echo_model: bool = False
    last_resort: bool = True
    last_resort_max: int = field(default=2, validator=Between(1, 16))
    prefer_healthy: bool = True
    auth_cooldown_s: float = field(default=60.0, validator=Between(0, 3600))
    sticky_ttl_s: float = field(default=900.0, validator=AtLeast(1))
