"""What the command line asks of `serve` and `check`, as one value."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from router.config.schema import LoadedConfig


@frozen(kw_only=True)
class ServeOptions:
    """The command line. `overrides` are `KEY=VALUE` texts in their order; `mode` and `log_level` win over file and environment."""

    config_path: Path | None = None
    overrides: tuple[str, ...] = ()
    mode: str | None = None
    log_level: str | None = None
    env_files: tuple[Path, ...] = ()
    env_file_override: bool = False
    insecure_permissions: bool = False


def load_for_serving(options: ServeOptions) -> LoadedConfig:
    """Find, read and check the configuration as the options say. Raises ConfigError with every mistake."""
    raise NotImplementedError(options)
