"""What must hold between keys (routing.md 2.3): rules over the plain data, so that they speak beside every other mistake.

A rule passes over values of the wrong type; the structure has a fault for those already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from urllib.parse import urlsplit

from router.config.address import is_own_host, port_of
from router.config.document import Document, Fault, at, tables, texts
from router.config.locate import KeyPath
from router.config.schema_server import ServerConfig

AUTO = "auto"
_ENDPOINTS = ("/chat/completions", "/messages")  # the adapter adds them (routing.md 15.2)
_BUILTIN_TARGETS = ("multi", "coding")  # profiles of the built-in auto rules (routing.md 7)
_BUILTIN_DEFAULT = "writing"  # and the one where neither holds
_EXCLUSIVE = (
    ("api_key_env", "api_key_envs"),
    ("api_key_env", "credential_file"),
    ("api_key_envs", "credential_file"),
    ("restart", "restart_command"),
)


def broken_rules(document: Document) -> Iterator[Fault]:
    """Yield every fault between keys."""
    for rule in _RULES:
        yield from rule(document)


def is_loopback(host: str) -> bool:
    """Tell whether a listener on `host` can be reached from this machine only; a name that is not `localhost` cannot be known."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def profile_names(document: Document) -> list[str]:
    """Return the declared profiles, in order."""
    return [name for _, table in tables(document, "profiles") if isinstance(name := table.get("name"), str)]


def _something_declared(document: Document) -> Iterator[Fault]:
    for key in ("providers", "profiles"):
        if at(document, (key,)) in (None, []):
            yield Fault((key,), f"no [[{key}]] at all: at least one is needed")


def _unique_names(document: Document) -> Iterator[Fault]:
    for key in ("providers", "profiles"):
        seen: set[str] = set()
        for path, table in tables(document, key):
            name = table.get("name")
            if not isinstance(name, str):
                continue
            if name in seen:
                yield Fault((*path, "name"), f"{name!r} is declared twice")
            seen.add(name)


def _chains(document: Document) -> Iterator[Fault]:
    declared = [name for _, table in tables(document, "providers") if isinstance(name := table.get("name"), str)]
    for path, _ in tables(document, "profiles"):
        seen: set[str] = set()
        for place, name in texts(document, *path, "providers"):
            yield from _declared(place, name, "provider", declared)
            if name in seen:
                yield Fault(place, f"provider {name!r} is listed twice")
            seen.add(name)


def _default_profile(document: Document) -> Iterator[Fault]:
    path: KeyPath = ("routing", "default_profile")
    name = at(document, path)
    profiles = profile_names(document)
    if name == AUTO:
        if at(document, ("auto_router",)) is None:
            missing = [target for target in (*_BUILTIN_TARGETS, _BUILTIN_DEFAULT) if target not in profiles]
            if missing:
                yield Fault(path, f"auto without [auto_router] needs the profiles {', '.join(missing)}")
    elif isinstance(name, str):
        yield from _declared(path, name, "profile", profiles)
    elif name is None and profiles and "default" not in profiles:
        yield Fault(path, "is not set, and there is no profile named default")


def _profile_targets(document: Document) -> Iterator[Fault]:
    profiles = profile_names(document)
    for table in ("mode_aliases", "model_map"):
        for path, name in texts(document, table):
            yield from _declared(path, name, "profile", profiles)
    for key, name in texts(document, "capture", "profiles"):
        yield from _declared(key, name, "profile", profiles)
    if not isinstance(at(document, ("auto_router",)), dict):
        return
    for path, rule in tables(document, "auto_router", "rules"):
        for key, name in texts({"profile": rule.get("profile")}):
            yield from _declared((*path, *key), name, "profile", profiles)
    target = at(document, ("auto_router", "default_rule_profile"))
    if target is None or isinstance(target, str):
        yield from _declared(("auto_router", "default_rule_profile"), target or _BUILTIN_DEFAULT, "profile", profiles)
    if at(document, ("auto_router", "use_builtin")) is True:
        missing = [target for target in _BUILTIN_TARGETS if target not in profiles]
        if missing:
            yield Fault(("auto_router", "use_builtin"), f"needs the profiles {', '.join(missing)}")


def _matchers(document: Document) -> Iterator[Fault]:
    for path, rule in tables(document, "auto_router", "rules"):
        yield from _empty_matches(rule.get("match"), (*path, "match"))


def _empty_matches(match: object, path: KeyPath) -> Iterator[Fault]:
    """Yield the tables without a matcher: one would hold for every request."""
    if not isinstance(match, dict):
        return
    if match in ({}, {"any": []}):
        yield Fault(path, "no matcher: at least one is needed")
    alternatives = match.get("any")
    for index, one in enumerate(alternatives if isinstance(alternatives, list) else ()):
        yield from _empty_matches(one, (*path, "any", index))


def _profile_numbers(document: Document) -> Iterator[Fault]:
    budget = "context_budget_"
    for path, profile in tables(document, "profiles"):
        warn = _number(profile, budget + "warn_threshold", 0.80)
        trim = _number(profile, budget + "trim_threshold", 0.90)
        target = _number(profile, budget + "trim_target", 0.75)
        if warn > trim:
            yield Fault((*path, budget + "warn_threshold"), f"{warn:g} is above context_budget_trim_threshold {trim:g}")
        if target >= trim:
            yield Fault((*path, budget + "trim_target"), f"{target:g} is not below context_budget_trim_threshold {trim:g}")
        first, longest = _number(profile, "recovery_probe_initial_s", 30), _number(profile, "recovery_probe_max_s", 300)
        if first > longest:
            yield Fault((*path, "recovery_probe_initial_s"), f"{first:g} is above recovery_probe_max_s {longest:g}")


def _loop_numbers(document: Document) -> Iterator[Fault]:
    for path, profile in tables(document, "profiles"):
        window, threshold = _number(profile, "tool_loop_window", 5), _number(profile, "tool_loop_threshold", 3)
        if threshold > window:
            yield Fault((*path, "tool_loop_threshold"), f"{threshold:g} is above tool_loop_window {window:g}: it can never fire")
        soft, hard = _number(profile, "max_tool_calls", 50), _number(profile, "max_tool_calls_hard", 0)
        if 0 < hard < soft:
            yield Fault((*path, "max_tool_calls_hard"), f"{hard:g} is below max_tool_calls {soft:g}")


def _exclusive_keys(document: Document) -> Iterator[Fault]:
    for path, provider in tables(document, "providers"):
        for one, other in _EXCLUSIVE:
            if provider.get(one, []) != [] and provider.get(other, []) != []:
                yield Fault((*path, other), f"{one} and {other} exclude each other")


def _restart(document: Document) -> Iterator[Fault]:
    for path, provider in tables(document, "providers"):
        mode, argv = at(provider, ("restart", "mode")), at(provider, ("restart", "argv"))
        if mode == "unit" and isinstance(argv, list) and len(argv) > 1:
            yield Fault((*path, "restart", "argv"), "mode unit takes only the name of the unit")


def _runnable(document: Document) -> Iterator[Fault]:
    """Refuse what no operating system can hand to a program."""
    for path, provider in tables(document, "providers"):
        words = (
            dict(texts(provider, "restart")) | dict(texts(provider, "restart", "argv")) | dict(texts(provider, "restart", "env"))
        )
        for below, word in (words | dict(texts(provider, "restart_command")) | dict(texts(provider))).items():
            if "\0" in word and below[0] in ("restart", "restart_command"):
                yield Fault((*path, *below), "holds a NUL character")
        env = at(provider, ("restart", "env"))
        for name in env if isinstance(env, dict) else ():
            if not name or "=" in name or "\0" in name:
                yield Fault((*path, "restart", "env", name), "is not the name of a variable")


def _managed(document: Document) -> Iterator[Fault]:
    """Check the places of managed servers: plain http, and one owner per port, since two would answer for each other."""
    owners: dict[int, object] = {}
    for path, provider in tables(document, "providers"):
        restart = provider.get("restart")
        if not isinstance(restart, dict) or restart.get("mode") != "managed":
            continue
        url = restart.get("ready_url", provider.get("base_url"))
        where = (*path, "restart", "ready_url") if "ready_url" in restart else (*path, "base_url")
        if not isinstance(url, str) or not (port := port_of(url)):
            continue
        if url.startswith("https:"):
            yield Fault(where, "a managed server needs an http:// address on this machine")
        job = restart.get("group") or restart.get("argv")
        if owners.setdefault(port, job) != job:
            yield Fault(where, f"port {port} already belongs to another managed server")


def _addresses(document: Document) -> Iterator[Fault]:
    for path, provider in tables(document, "providers"):
        url = provider.get("base_url")
        if isinstance(url, str) and url.rstrip("/").endswith(_ENDPOINTS):
            yield Fault((*path, "base_url"), "is the address of an endpoint: leave out /chat/completions or /messages")


def _loops(document: Document) -> Iterator[Fault]:
    """Refuse providers that are this router: a request to one would come back, and again, until every place is taken."""
    host, port = at(document, ("server", "host")), at(document, ("server", "port"))
    for path, provider in tables(document, "providers"):
        url = provider.get("base_url")
        if (
            not isinstance(url, str)
            or provider.get("enabled") is False
            or port_of(url) != (ServerConfig().port if port is None else port)
        ):
            continue
        bind = host if isinstance(host, str) and host else ServerConfig().host
        if is_own_host(urlsplit(url).hostname or "", bind_host=bind):
            yield Fault(
                (*path, "base_url"),
                f"is this router's own address: a request to {provider.get('name')} would come back to it",
            )


def _records_need_a_place(document: Document) -> Iterator[Fault]:
    for table in ("audit", "request_log", "capture"):
        if at(document, (table, "enabled")) is True and at(document, ("server", "state_dir")) is None:
            yield Fault((table, "enabled"), "needs [server].state_dir")


def _exposure(document: Document) -> Iterator[Fault]:
    host = at(document, ("server", "host"))
    if isinstance(host, str) and host and not is_loopback(host) and at(document, ("server", "client_token_env")) is None:
        yield Fault(("server", "host"), f"{host} can be reached from other machines: set client_token_env")


def _declared(path: KeyPath, name: str, what: str, known: Collection[str]) -> Iterator[Fault]:
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f", did you mean {close[0]}?" if close else ""
        yield Fault(path, f"{name!r} is not a declared {what}{hint}")


def _number(table: Mapping[str, object], key: str, default: float) -> float:
    value = table.get(key, default)
    return value if isinstance(value, int | float) else default


_RULES: tuple[Callable[[Document], Iterator[Fault]], ...] = (
    _something_declared,
    _unique_names,
    _chains,
    _default_profile,
    _profile_targets,
    _matchers,
    _profile_numbers,
    _loop_numbers,
    _exclusive_keys,
    _restart,
    _runnable,
    _managed,
    _addresses,
    _loops,
    _records_need_a_place,
    _exposure,
)
