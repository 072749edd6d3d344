"""A daemon with everything on, each of its secrets a canary, and upstreams that repeat whatever secret there is.

What is new and writes, shows or answers something gets a line in `ON`, `PAGES` or `COMMANDS`. Files of the state directory
and of the daemon's log need none: all of them are searched."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from tests.e2e.canary.secrets import ADMIN, ALL, CLIENT, INLINE, METRICS, QUERY, STRAYS
from tests.e2e.daemon import free_port, provider, router_config
from tests.fakes.plans import Plan, failing

CREDENTIAL_FILE = "credential"
INPUTS = {"router.toml", CREDENTIAL_FILE}  # written by the test itself, with what it holds

ON: dict[str, dict[str, object]] = {  # tables that turn something on that tells
    "probe": {"enabled": True, "interval_s": 15},
    "adaptive": {"mode": "on"},
    "audit": {"enabled": True},
    "request_log": {"enabled": True},
    "capture": {"enabled": True},
    "otel": {"enabled": True, "headers_env": "COLLECTOR"},
}
PAGES: dict[str, str] = {  # each page, with the token that opens it
    "/": CLIENT,
    "/livez": CLIENT,
    "/readyz": CLIENT,
    "/healthz": CLIENT,
    "/status": CLIENT,
    "/v1/models": CLIENT,
    "/v1beta/models": CLIENT,
    "/api/tags": CLIENT,
    "/api/version": CLIENT,
    "/api/ps": CLIENT,
    "/admin/tree": ADMIN,
    "/admin/requests": ADMIN,
    "/dashboard": ADMIN,
    "/dashboard/events": ADMIN,  # never ends: STREAM_S of it
    "/metrics": METRICS,
    "/metrics.json": METRICS,
}
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("check",),
    ("explain",),
    ("status",),
    ("status", "--json"),
    ("tree",),
    ("requests",),
    ("cancel", CLIENT),
    ("env", "claude"),
    ("exclude", "pool"),
    ("restore", "pool"),
    ("probe", "pool"),
    ("audit",),
    ("replay",),
    ("replay", "--requests"),
    ("replay", "--requests", "--json"),
    ("stats", "--once"),
    ("dashboard",),
    ("doctor",),
    ("replay", "--run", "pool", "filed", "--limit", "3"),
)
LOOKS: tuple[tuple[str, ...], ...] = (  # commands that show what is under way
    ("requests",),
    ("requests", "--json"),
    ("tree",),
    ("tree", "--json"),
    ("status",),
    ("stats", "--once"),
)
STREAM_S = 2.0  # how long a page that never ends is read
ALONE = "--run"  # a command with it listens for signals, which the main thread alone can
TOKENS_OF_OTHERS = (METRICS, QUERY)  # right for something else, and wrong here

_EVERY = " ".join((*ALL, *STRAYS))
_ERROR = {"type": "error", "error": {"type": "api_error", "message": f"refused: {_EVERY}", "code": _EVERY}}
_TOLD = (("www-authenticate", f'Bearer realm="{_EVERY}"'), ("x-request-id", ALL[0]), ("location", f"/?key={ALL[6]}"))


def _sse(*documents: object) -> tuple[bytes, ...]:
    return tuple(b"data: %s\n\n" % (json.dumps(document).encode()) for document in documents)


_CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "any"}
_BEGUN = _sse({**_CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "so far"}}]})
_JSON = json.dumps(_ERROR).encode()

ANSWERS: Mapping[str, Plan] = {  # what upstreams say that knows every secret and repeats it
    "a refusal": failing(500, *_TOLD, body=_JSON),
    "a refusal of the request": failing(400, *_TOLD, body=_JSON),
    "an error page": failing(502, *_TOLD, body=f"<h1>{_EVERY}</h1>".encode(), content_type="text/html"),
    "no JSON": failing(200, *_TOLD, body=f'{{"id": {_EVERY}'.encode()),
    "no answer": failing(200, *_TOLD, body=json.dumps({"what": _EVERY}).encode()),
    "an error in a stream": Plan(headers=_TOLD, events=_sse(_ERROR)),
    "an error in an answer that has begun": Plan(headers=_TOLD, events=(*_BEGUN, *_sse(_ERROR))),
    "no event": Plan(headers=_TOLD, events=(f"data: {{{_EVERY}\n\n".encode(),)),
    "no event in an answer that has begun": Plan(headers=_TOLD, events=(*_BEGUN, f"data: {{{_EVERY}\n\n".encode())),
    "no HTTP": Plan(raw=f"HTTP/9 {_EVERY}\r\n{_EVERY}\r\n".encode()),
    "a refused key": failing(401, *_TOLD, body=_JSON),
}


def configuration(directory: Path, ports: Mapping[str, int], collector_port: int) -> str:
    """Return the configuration: five providers, each with secrets of another kind, one of them run by the router."""
    (directory / CREDENTIAL_FILE).write_text(ALL[3])
    (directory / CREDENTIAL_FILE).chmod(0o600)
    job_port = free_port()
    chatty = f"env; echo $0 $@; exec {sys.executable} -m http.server {job_port} --bind 127.0.0.1"
    job = {"mode": "managed", "argv": ["sh", "-c", chatty], "ready_url": f"http://127.0.0.1:{job_port}/", "start": "boot"}
    chat: dict[str, Any] = {"kind": "openai_compat", "max_concurrency": 4}
    queried = provider("queried", ports["queried"], **chat)
    providers = [
        provider("keyed", ports["keyed"], api_key_env="KEY", headers={"X-Tenant": "env:HEADER"}, paid=True),
        provider("pool", ports["pool"], api_key_envs=["POOL_1", "POOL_2"], **chat),
        {**queried, "base_url": f"{queried['base_url']}?api_key={QUERY}", "headers": {"X-Service-Key": INLINE}},
        provider("filed", ports["filed"], credential_file=str(directory / CREDENTIAL_FILE), **chat),
        provider("job", job_port, restart=job, **chat),
    ]
    server = {
        "client_token_env": "CLIENT",
        "admin_token_env": "ADMIN",
        "metrics_token_env": "METRICS",
        "state_dir": str(directory / "state"),
        "log_level": "debug",
        "grammar_check": True,
    }
    profiles = {"all": ["keyed", "pool", "queried", "filed"], "keyed": ["keyed"], "job": ["job"]}
    text = router_config(free_port(), providers=providers, profiles=profiles, server=server)
    on = {**ON, "otel": {**ON["otel"], "endpoint": f"http://127.0.0.1:{collector_port}"}}
    return f"{text}\n{tomlkit.dumps(on)}\n[budget]\nmonthly_usd = 1000\n".replace("[routing]", "[routing]\nallow_paid = true", 1)
