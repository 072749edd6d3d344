"""Where configuration comes from: the search for the file, and the values that environment and command line put over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import router
from router.config.document import Document, Override, at
from router.config.rules import AUTO, profile_names
from router.errors import ConfigError, Mistake

DEFAULT_PROFILE = ("routing", "default_profile")
MODE_VARIABLE = "ROUTER_MODE"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def resolve_config_path(named: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the file to read: named, `$ROUTER_CONFIG`, the user's own, or that of the checkout (routing.md 2.1).

    A named file is returned unseen: that it cannot be read is an error, never a reason to look on. Raises ConfigError
    where nothing is found."""
    chosen = named or (Path(environ["ROUTER_CONFIG"]) if environ.get("ROUTER_CONFIG", "").strip() else None)
    if chosen is not None:
        return chosen.expanduser()
    candidates = [user_file(environ), *_checkout_file()]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    tried = ", ".join(map(str, candidates))
    message = f"no configuration found (tried {tried}): name one with --config or ROUTER_CONFIG"
    raise ConfigError(source="router.toml", mistakes=(Mistake(path="", message=message),))


def user_file(environ: Mapping[str, str]) -> Path:
    """Return where the user's own configuration is looked for, also where there is none."""
    home = Path(environ.get("XDG_CONFIG_HOME", ""))
    base = home if home.is_absolute() else Path.home() / ".config"  # the XDG rule: a relative one is ignored
    return base / "router" / "router.toml"


def first_file(environ: Mapping[str, str]) -> Path:
    """Return the file that is looked for before all others, where none is named: a new one belongs there."""
    named = environ.get("ROUTER_CONFIG", "").strip()
    return Path(named).expanduser() if named else user_file(environ)


def environment_overrides(document: Document, environ: Mapping[str, str]) -> Iterator[Override]:
    """Yield what ROUTER_MODE and ROUTER_ALLOW_PAID (or ALLOW_PAID) say over the file."""
    mode = environ.get(MODE_VARIABLE, "").strip()
    if mode:
        yield Override(origin=MODE_VARIABLE, path=DEFAULT_PROFILE, value=_profile_of(document, mode))
    for name in ("ROUTER_ALLOW_PAID", "ALLOW_PAID"):
        text = environ.get(name, "").strip()
        if text:
            yield Override(origin=name, path=("routing", "allow_paid"), value=_switch(text))
            return


def flag_overrides(document: Document, *, mode: str | None, log_level: str | None) -> Iterator[Override]:
    """Yield what `--mode` and `--log-level` say over file, environment and `--set`."""
    if mode is not None:
        yield Override(origin="--mode", path=DEFAULT_PROFILE, value=_profile_of(document, mode.strip()))
    if log_level is not None:
        yield Override(origin="--log-level", path=("server", "log_level"), value=log_level)


def mode_source(overrides: Iterable[Override]) -> str:
    """Return what has chosen the default profile: `config`, `env`, which is ROUTER_MODE, or `command-line`."""
    origins = ["", *(one.origin for one in overrides if one.path == DEFAULT_PROFILE)]
    return {"": "config", MODE_VARIABLE: "env"}.get(origins[-1], "command-line")


def _checkout_file() -> list[Path]:
    """Return the file beside the packages, where they run from a checkout; an installed package has none."""
    root = Path(router.__file__).resolve().parent.parent
    return [root / "conf" / "router.toml"] if (root / "pyproject.toml").is_file() else []


def _profile_of(document: Document, mode: str) -> str:
    """Return the profile itself, or the target of a mode alias; anything else is left for the rules to refuse."""
    if mode == AUTO or mode in profile_names(document):
        return mode
    target = at(document, ("mode_aliases", mode))
    return target if isinstance(target, str) else mode


def _switch(text: str) -> bool | str:
    """Return the switch; a text that is none stays a text, and the structure refuses it."""
    word = text.lower()
    return True if word in _TRUE else False if word in _FALSE else text
