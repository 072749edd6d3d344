"""Read `--env-file` files into a copy of the environment (routing.md 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from router.config.dotenv import parse_env
from router.config.load import read_text
from router.errors import ConfigError


def read_env_files(
    paths: Iterable[Path], *, environ: Mapping[str, str], is_override: bool, tell: Callable[[str], None]
) -> dict[str, str]:
    """Return the environment with the files' variables, read from left to right.

    A name that is there already stays as it is, from the shell or an earlier file; with `is_override` the last one
    wins. `tell` gets the names that each file gave. Raises ConfigError naming every bad line of the first bad file."""
    merged = dict(environ)
    for path in paths:
        parsed = parse_env(read_text(path))
        if parsed.mistakes:
            raise ConfigError(source=str(path), mistakes=parsed.mistakes)
        given = {name: value for name, value in parsed.values.items() if is_override or name not in merged}
        merged |= given
        names = ", ".join(sorted(given))
        tell(f"{path}: {len(given)} applied{': ' if given else ''}{names}")
    return merged
