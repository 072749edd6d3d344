"""Fetch what the configuration names but does not hold: keys, tokens, header values, installed packages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field

from router.config.checks import is_header_value
from router.config.document import Document, Fault, at
from router.config.schema import ProviderConfig, RouterConfig
from router.config.secret import Secret, Secrets
from router.domain.health import Unconfigured

DISTRIBUTION = "nursery-router"
_ENV_PREFIX = "env:"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|COOKIE|AUTH(?!OR\b)", re.IGNORECASE)
_EXTRA = re.compile(r"([A-Za-z0-9._-]+).*;.*extra\s*==\s*['\"]([^'\"]+)['\"]", re.DOTALL)


class _MissingError(Exception):
    """A provider's credential is named but not there, or of no use; the text says which."""


def missing_tokens(document: Document, environ: Mapping[str, str]) -> Iterator[Fault]:
    """Yield the fault of a token that is asked for and not there: the front would let everybody in, or nobody."""
    for key in ("client_token_env", "admin_token_env"):
        name = at(document, ("server", key))
        if not isinstance(name, str):
            continue
        tokens = _tokens(environ.get(name, ""))
        if not tokens:
            yield Fault(("server", key), f"the variable {name} is not set")
        elif not all(map(is_header_value, tokens)):
            yield Fault(
                ("server", key), f"the variable {name} holds characters that cannot be sent in a header: use ASCII characters"
            )


def header_variables(provider: ProviderConfig) -> tuple[str, ...]:
    """Return the variables that hold a provider's headers."""
    return tuple(value.removeprefix(_ENV_PREFIX) for value in provider.headers.values() if value.startswith(_ENV_PREFIX))


def fetch_secrets(config: RouterConfig, environ: Mapping[str, str]) -> Secrets:
    """Return every secret that `config` names; what is missing makes its provider unconfigured, with the reason."""
    found = _Found(environ=environ)
    for provider in config.providers:
        found.add(provider)
    server = config.server
    tokens = tuple(Secret(token) for token in _tokens(environ.get(server.client_token_env or "", "")))
    metrics, admin = (_optional(environ, name) for name in (server.metrics_token_env, server.admin_token_env))
    return Secrets(
        credentials=found.credentials,
        key_pools=found.key_pools,
        unset_keys=found.unset_keys,
        headers=found.headers,
        client_tokens=tokens,
        metrics_token=metrics,
        admin_token=admin,
        unconfigured=found.unconfigured,
        sensitive=(*found.sensitive, *tokens, *(token for token in (metrics, admin) if token is not None)),
    )


def is_installed(distribution: str) -> bool:
    """Tell whether a distribution is there, as `requires` of a provider asks."""
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def install_command(missing: tuple[str, ...]) -> str:
    """Return the command that installs the distributions: an extra of ours that holds them all, else their names."""
    wanted = {_canonical(name) for name in missing}
    extras: dict[str, set[str]] = {}
    for line in _own_requirements():
        if match := _EXTRA.match(line):
            extras.setdefault(match.group(2), set()).add(_canonical(match.group(1)))
    covering = [extra for extra, names in extras.items() if wanted <= names and extra != "dev"]
    what = f"'{DISTRIBUTION}[{covering[0]}]'" if covering else " ".join(missing)
    return f"{sys.executable} -m pip install {what}"


@define(kw_only=True)
class _Found:
    """What the providers named so far have given."""

    environ: Mapping[str, str]
    credentials: dict[str, Secret] = field(factory=dict)
    key_pools: dict[str, tuple[Secret, ...]] = field(factory=dict)
    unset_keys: dict[str, tuple[str, ...]] = field(factory=dict)
    headers: dict[str, dict[str, Secret]] = field(factory=dict)
    unconfigured: dict[str, Unconfigured] = field(factory=dict)
    sensitive: list[Secret] = field(factory=list)

    def add(self, provider: ProviderConfig) -> None:
        """Fetch one provider's credential and headers, and look for its packages."""
        missing = tuple(name for name in provider.requires if not is_installed(name))
        if missing:
            detail = f"{', '.join(missing)} not installed: {install_command(missing)}"
            self.unconfigured[provider.name] = Unconfigured(reason="missing-package", detail=detail)
        if provider.restart is not None:
            secret_env = [value for name, value in provider.restart.env.items() if _SECRET_NAME.search(name)]
            self.sensitive += map(Secret, secret_env)
        query = parse_qsl(urlsplit(provider.base_url).query)
        self.sensitive += [Secret(value) for name, value in query if _SECRET_NAME.search(name)]
        try:
            self._fetch(provider)
        except _MissingError as error:
            unconfigured = Unconfigured(reason="missing-credential", detail=str(error))
            self.unconfigured.setdefault(provider.name, unconfigured)

    def _fetch(self, provider: ProviderConfig) -> None:
        headers = {name: self._header(name, value) for name, value in provider.headers.items()}
        if headers:
            self.headers[provider.name] = headers
        if provider.api_key_envs:
            self._fetch_pool(provider)
        key = _api_key(provider, self.environ)
        if key is not None:
            self.credentials[provider.name] = key
            self.sensitive.append(key)

    def _fetch_pool(self, provider: ProviderConfig) -> None:
        """Fetch the keys that are there; the same key in two variables is one key."""
        keys: dict[Secret, None] = {}
        unset: list[str] = []
        for name in provider.api_key_envs:
            try:
                keys[Secret(_variable(self.environ, name, "api_key_envs"))] = None
            except _MissingError:
                unset.append(name)
        if not keys:
            raise _MissingError(f"api_key_envs: none of the variables {', '.join(unset)} holds a key")
        self.key_pools[provider.name] = tuple(keys)
        self.sensitive += keys
        if unset:
            self.unset_keys[provider.name] = tuple(unset)

    def _header(self, name: str, value: str) -> Secret:
        if value.startswith(_ENV_PREFIX):
            variable = value.removeprefix(_ENV_PREFIX)
            secret = Secret(_variable(self.environ, variable, f"header {name}"))
            self.sensitive.append(secret)
            return secret
        if _SECRET_NAME.search(name):  # `Bearer KEY`: the key alone must not be seen either
            self.sensitive += [Secret(value), Secret(value.rpartition(" ")[2])]
        return Secret(value)


def _api_key(provider: ProviderConfig, environ: Mapping[str, str]) -> Secret | None:
    if provider.api_key_env is not None:
        return Secret(_variable(environ, provider.api_key_env, "api_key_env"))
    if provider.credential_file is None:
        return None
    path = _credential_path(provider.credential_file, environ)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _MissingError(f"credential_file {path} cannot be read: {type(error).__name__}") from error
    return Secret(_sendable(text, f"credential_file {path}"))


def _credential_path(name: str, environ: Mapping[str, str]) -> Path:
    """Return the file in systemd's credentials directory, where there is one, else the name as a path."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory and (Path(directory) / name).is_file():
        return Path(directory) / name
    return Path(name).expanduser()


def _variable(environ: Mapping[str, str], name: str, wanted_by: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise _MissingError(f"{wanted_by}: the variable {name} is not set")
    return _sendable(value, f"{wanted_by}: the variable {name}")


def _sendable(value: str, what: str) -> str:
    """Return a value that goes into a header; a file of two lines would fail at each request."""
    if not value:
        raise _MissingError(f"{what} is empty")
    if not is_header_value(value):
        raise _MissingError(f"{what} contains line breaks or non-ASCII characters")
    return value


def _optional(environ: Mapping[str, str], name: str | None) -> Secret | None:
    value = environ.get(name, "").strip() if name else ""
    return Secret(value) if value else None


def _tokens(text: str) -> list[str]:
    return [token.strip() for token in text.split(",") if token.strip()]


def _own_requirements() -> list[str]:
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return []


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
