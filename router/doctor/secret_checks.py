"""Do secrets stay where they belong: the redactor, the variables, the configuration, the files that were written (19.4)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import evolve

from router.config.advice import why_not_asked
from router.config.key_forms import MASK, holds_key_form
from router.config.redact import Redactor, forms_of
from router.config.schema import LoadedConfig, ProviderConfig
from router.config.secret import Secret, Secrets
from router.doctor.findings import Finding, Verdict, finding, unreadable

REDACTOR, VARIABLES, EMBEDDED, WRITTEN = "redactor", "secret-variables", "keys-in-the-file", "written-logs"
MAX_SCAN_BYTES = 64 * 1024 * 1024  # of one file: its end, where it is longer
_STEP = 1024 * 1024
_CANARY = "canary-" + "4417" * 6
_UNKNOWN = "sk-canary" + "4417" * 6  # in the form of a key that no configuration names
_TOKENS = ("client_token_env", "admin_token_env", "metrics_token_env")
_NEEDED = frozenset(_TOKENS[:2])  # without them the front would let everybody in, or nobody
# audit, journal, recorded requests and the state, each with its older ones; beside them what the router's servers print
_WRITTEN = ("*.jsonl", "*.jsonl.*", "*.log", "*.log.*", "router.db*")
_OF_SERVERS = "processes"


def check_secrets(loaded: LoadedConfig, text: str, state_dir: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the four findings; `text` is the configuration's own."""
    yield check_redactor(loaded.secrets)
    yield from check_variables(loaded, environ)
    yield check_embedded(text, loaded.secrets)
    yield check_written(state_dir, loaded.secrets)


def check_redactor(secrets: Secrets) -> Finding:
    """Return whether a secret comes out of the real redactor masked, in each form that a log could have it in."""
    redactor = Redactor.of((*secrets.sensitive, Secret(_CANARY)))
    told = redactor.redact(f'Authorization: Bearer {_CANARY} {{"key":"{_CANARY}","other":"{_UNKNOWN}"}} https://x/?key={_CANARY}')
    if _CANARY in told or _UNKNOWN in told or MASK not in told:
        return finding(
            REDACTOR, Verdict.ERROR, "a secret is not masked", "it is masked", "report this: it is a bug in the router"
        )
    return finding(REDACTOR, Verdict.OK, f"masks {len(secrets.sensitive)} secrets of this configuration")


def check_variables(loaded: LoadedConfig, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding about each variable that should hold a secret and does not; one good one where all do."""
    found = [_unset_token(loaded, key) for key in _TOKENS if _is_unset(getattr(loaded.config.server, key), environ)]
    for name, why in loaded.secrets.unconfigured.items():
        provider = next((one for one in loaded.config.providers if one.name == name), None)
        if why.reason == "missing-credential" and provider is not None and why_not_asked(loaded.config, provider, {}) is None:
            found.append(_unset(provider, why.detail))
    yield from found or (finding(VARIABLES, Verdict.OK, "every variable that the configuration names has a value"),)


def _is_unset(name: str | None, environ: Mapping[str, str]) -> bool:
    return name is not None and not environ.get(name, "").strip()


def _unset_token(loaded: LoadedConfig, key: str) -> Finding:
    name = getattr(loaded.config.server, key)
    verdict, seen = (Verdict.ERROR, "the router does not start") if key in _NEEDED else (Verdict.WARN, "no client can send it")
    return finding(VARIABLES, verdict, f"{name} is not set: {seen}", f"a token, for {key}", f"set {name}, or remove {key}")


def _unset(provider: ProviderConfig, detail: str) -> Finding:
    advice = "the provider is skipped: set the variable, or set enabled = false"
    return Finding(check=VARIABLES, verdict=Verdict.WARN, provider=provider.name, seen=detail, expected="a key", advice=advice)


def check_embedded(text: str, secrets: Secrets) -> Finding:
    """Return whether a key stands in the configuration itself, by its shape or its use; it is named by its place, never shown."""
    known = forms_of(secrets.sensitive)
    try:
        strings = _strings(tomllib.loads(text.removeprefix("\ufeff")), "")
        places = [place for place, value in strings if holds_key_form(value) or any(form in value for form in known)]
    except tomllib.TOMLDecodeError:
        places = []
    if places:
        advice = "move it into a variable, name that in api_key_env, and create a new key"
        return finding(EMBEDDED, Verdict.ERROR, f"a key is in {', '.join(places)}", "no key in the file", advice)
    return finding(EMBEDDED, Verdict.OK, "no key is in the configuration")


def check_written(state_dir: Path, secrets: Secrets) -> Finding:
    """Return whether a secret stands in a file that the router has written: in which, and in which line of it first."""
    needles = sorted(form.encode("utf-8", "surrogateescape") for form in forms_of(secrets.sensitive))
    told, closed, count = [], [], 0
    for directory in (state_dir, state_dir / _OF_SERVERS):
        try:
            files = _written_in(directory)
        except OSError as error:
            closed.append(unreadable(WRITTEN, directory, error))
            break
        count += len(files)
        for path in files:
            try:
                place = _place_of(path, needles)
            except OSError as error:
                closed.append(unreadable(WRITTEN, path, error))
            else:
                told += [f"{path.relative_to(state_dir)}{place}"] if place is not None else []
    if told:
        advice = "delete them, and create new keys"
        return finding(WRITTEN, Verdict.ERROR, f"a secret is in {', '.join(told)}", "no secret in a log", advice)
    if closed:
        return evolve(closed[0], seen="; ".join(one.seen for one in closed))
    if not count:
        return finding(WRITTEN, Verdict.SKIP, f"no log files in {state_dir}")
    return finding(WRITTEN, Verdict.OK, f"no secret in {count} log files")


def _written_in(directory: Path) -> list[Path]:
    """Return the files that are searched. Raises OSError: `Path.glob` finds nothing in a directory that is closed."""
    if not directory.exists():
        return []
    return [path for path in sorted(directory.iterdir()) if any(map(path.match, _WRITTEN)) and path.is_file()]


def _place_of(path: Path, needles: list[bytes]) -> str | None:
    """Return where in the last MAX_SCAN_BYTES one of the needles stands first, also across two reads; None without one.

    It is a line, counted from where the search began; of a database, which has no lines, it is ""."""
    if not needles:
        return None
    wanted, overlap = re.compile(b"|".join(map(re.escape, needles))), max(map(len, needles)) - 1
    with path.open("rb") as stream:
        skipped = max(0, stream.seek(0, 2) - MAX_SCAN_BYTES)
        stream.seek(skipped)
        rest, line = b"", 1
        while part := stream.read(_STEP):
            rest += part
            if (found := wanted.search(rest)) is not None:
                line += rest.count(b"\n", 0, found.start())
                return "" if path.match("router.db*") else f" line {line}{' of the part searched' if skipped else ''}"
            kept = max(0, len(rest) - overlap)
            line += rest.count(b"\n", 0, kept)
            rest = rest[kept:]
    return None


def _strings(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, f"{place}[{index}]")
