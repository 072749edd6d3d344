"""What `init` says at its end: what was found, what was not, what was written, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from router.onboarding.findings import Findings
from router.onboarding.init_file import is_embedded, used_model
from router.onboarding.servers import TITLES, LocalServer, ServerKind
from router.onboarding.vendors import EMBEDDED_URL, VENDORS


def found_lines(found: Findings, install: str) -> Iterator[str]:
    """Yield what was found and what was not; `install` is the command that installs the embedded model."""
    for server in found.servers:
        yield f"found: {_server(server)}"
    by_env = {vendor.key_env: vendor for vendor in VENDORS}
    for name in found.keys:
        yield f"found: {name}{', which costs money: asked only with allow_paid = true' if by_env[name].is_paid else ''}"
    if found.has_embedded:
        yield "found: the packages of the embedded model, which is asked last"
    if found.is_router_running:
        yield "found: a router that is already running"
    there = {server.url for server in found.servers}
    missing = [spot for spot in found.asked if spot.url not in there and spot.url != EMBEDDED_URL]
    if missing:
        places: dict[str, list[str]] = {}
        for spot in missing:
            places.setdefault(TITLES[spot.usual], []).append(urlsplit(spot.url).netloc)
        told = (f"{title} ({' or '.join(urls)})" for title, urls in places.items())
        yield f"not found: {', '.join(told)}"
    if not found.keys:
        yield f"not found: a key among {', '.join(by_env)}"
    if not found.has_embedded and not any(map(is_embedded, found.servers)):
        yield f"not found: the packages of the embedded model: {install}"


def next_lines(program: str, path: Path | None, env_files: Iterable[Path], *, is_running: bool) -> Iterator[str]:
    """Yield the two commands to go on with; `path` where the file has to be named for them."""
    flags = [] if path is None else ["--config", str(path)]
    for env_file in env_files:
        flags += ["--env-file", str(env_file)]
    named = "".join(f" {shlex.quote(word)}" for word in flags)
    if is_running:
        yield "The running router reloads the file by itself if it was started with it; otherwise stop that router first."
    yield "Next, start it, and in another terminal see what a client needs:"
    yield f"  {program} serve{named}"
    yield f"  {program} env claude{named}"


def _server(server: LocalServer) -> str:
    model = used_model(server)
    if model is None:
        why = (
            "which has no model yet: `ollama pull qwen3-coder`"
            if server.kind is ServerKind.OLLAMA
            else "which has not loaded one yet"
        )
        return f"{TITLES[server.kind]} at {server.url}, {why}"
    count = len(server.models)
    window = f", {model.window} tokens" if model.window else ""
    return f"{TITLES[server.kind]} at {server.url}, model {model.name}{window}{f' (of {count})' if count > 1 else ''}"
