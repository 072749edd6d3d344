"""Every path that the daemon answers, and whose errors a client of a path reads (wire.md 1.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from urllib.parse import parse_qs

from attrs import frozen

from router.domain.request import DialectName
from router.errors import MethodNotAllowed, NotFound


class Operation(StrEnum):
    """What a model route is asked for."""

    GENERATE = "generate"
    COUNT_TOKENS = "count_tokens"


@frozen(kw_only=True)
class ModelRoute:
    """A route of `chat.py`: whose wire, and what for.

    `model` and `is_stream` are what a path says in the place of the body, None where it is the body's to say; `is_array`
    asks for a stream as one JSON array (wire.md 11)."""

    dialect: DialectName
    operation: Operation = Operation.GENERATE
    model: str | None = None
    is_stream: bool | None = None
    is_array: bool = False


class Page(StrEnum):
    """What the front answers by itself, or hands to the Quart app (`COLD_PAGES`)."""

    ROOT = "root"
    QUIET = "quiet"
    LIVEZ = "livez"
    READYZ = "readyz"
    HEALTHZ = "healthz"
    STATUS = "status"  # what the daemon knows, with the texts of errors: /status, /metrics.json, the tree
    MODELS = "models"
    STORED = "stored"  # answers that a client could fetch again, of which there are none
    ADMIN = "admin"
    METRICS = "metrics"  # names and numbers
    DASHBOARD = "dashboard"
    DASHBOARD_DOOR = "dashboard-door"  # the form for its token, and files that tell nothing


Target = ModelRoute | Page

COLD_PAGES = frozenset({Page.HEALTHZ, Page.STATUS, Page.MODELS, Page.ADMIN, Page.METRICS, Page.DASHBOARD, Page.DASHBOARD_DOOR})
# need no token: probes have none, and a form has to be seen before one can be typed into it
OPEN_PAGES = frozenset({Page.ROOT, Page.QUIET, Page.LIVEZ, Page.READYZ, Page.HEALTHZ, Page.DASHBOARD_DOOR})
ACTING_PAGES = frozenset({Page.ADMIN, Page.DASHBOARD_DOOR})  # whose POSTs are taken from no other site's page
VIEWED_PAGES = frozenset({Page.STATUS, Page.DASHBOARD})  # one rule for whoever looks: `FrontGate.check_viewer`
DASHBOARD, DASHBOARD_LOGIN, DASHBOARD_FILES = "/dashboard", "/dashboard/login", "/dashboard/files/"

_ANTHROPIC_HEADERS = (b"anthropic-version", b"x-api-key")
_GEMINI_HEADER = b"x-goog-api-key"
_GET = ("GET", "HEAD")
_MESSAGES = ModelRoute(dialect=DialectName.ANTHROPIC)
_COUNT = ModelRoute(dialect=DialectName.ANTHROPIC, operation=Operation.COUNT_TOKENS)
_CHAT = ModelRoute(dialect=DialectName.OPENAI_CHAT)
_RESPONSES = ModelRoute(dialect=DialectName.OPENAI_RESPONSES)
_OLLAMA = ModelRoute(dialect=DialectName.OLLAMA)

_PATHS: Mapping[str, tuple[tuple[str, ...], Target]] = {
    "/v1/messages": (("POST",), _MESSAGES),
    "/v1/messages/count_tokens": (("POST",), _COUNT),
    "/v1/v1/messages": (("POST",), _MESSAGES),  # a base URL that ends in /v1, given to a client that adds it
    "/v1/v1/messages/count_tokens": (("POST",), _COUNT),
    "/v1/chat/completions": (("POST",), _CHAT),
    "/chat/completions": (("POST",), _CHAT),
    "/v1/responses": (("POST",), _RESPONSES),
    "/responses": (("POST",), _RESPONSES),
    "/api/chat": (("POST",), _OLLAMA),
    "/api/tags": (_GET, Page.MODELS),
    "/api/ps": (_GET, Page.MODELS),
    "/api/version": (_GET, Page.MODELS),
    "/api/show": (("POST",), Page.MODELS),
    "/v1beta/models": (_GET, Page.MODELS),
    "/v1/models": (_GET, Page.MODELS),
    "/": (_GET, Page.ROOT),
    "/api/hello": (_GET, Page.QUIET),
    "/livez": (_GET, Page.LIVEZ),
    "/readyz": (_GET, Page.READYZ),
    "/healthz": (_GET, Page.HEALTHZ),
    "/status": (_GET, Page.STATUS),
    "/metrics": (_GET, Page.METRICS),
    "/metrics.json": (_GET, Page.STATUS),
    "/admin/tree": (_GET, Page.STATUS),
    "/admin/requests": (_GET, Page.STATUS),
    "/admin/reload": (("POST",), Page.ADMIN),
    DASHBOARD: (_GET, Page.DASHBOARD),
    f"{DASHBOARD}/": (_GET, Page.DASHBOARD),
    f"{DASHBOARD}/events": (("GET",), Page.DASHBOARD),
    DASHBOARD_LOGIN: ((*_GET, "POST"), Page.DASHBOARD_DOOR),
}
_PREFIXES: tuple[tuple[str, tuple[str, ...], Target], ...] = (
    ("/v1/models/", _GET, Page.MODELS),
    ("/v1beta/models/", _GET, Page.MODELS),
    ("/v1/responses/", ("GET", "DELETE", "POST"), Page.STORED),
    ("/responses/", ("GET", "DELETE", "POST"), Page.STORED),
    ("/api/event_logging/", ("POST",), Page.QUIET),
    ("/admin/providers/", ("POST",), Page.ADMIN),
    ("/admin/requests/", ("POST",), Page.ADMIN),
    (DASHBOARD_FILES, _GET, Page.DASHBOARD_DOOR),
)
_HOT: Mapping[tuple[str, str], Target] = {
    (method, path): target for path, (methods, target) in _PATHS.items() for method in methods
}


# what a Gemini path asks for behind its last colon: the operation, and whether it streams
_VERBS: Mapping[str, tuple[Operation, bool]] = {
    "generateContent": (Operation.GENERATE, False),
    "streamGenerateContent": (Operation.GENERATE, True),
    "countTokens": (Operation.COUNT_TOKENS, False),
}
_OF_GEMINI = ("/v1beta/models/", "/v1/models/", "/v1beta/tunedModels/")


def find_target(method: str, path: str, query: str = "") -> Target:
    """Return what answers a request. Raises NotFound, or MethodNotAllowed with the methods that the path has."""
    if (target := _HOT.get((method, path))) is not None:
        return target
    methods, target = _PATHS.get(path) or _of_gemini(path, query) or _by_prefix(path)
    if method == "POST" and target is Page.MODELS and path.startswith(_OF_GEMINI) and ":" in path:
        raise NotFound(message=f"no route {path[:200]}")  # a verb that is not served, of embeddings say (wire.md 11)
    if method not in methods:
        raise MethodNotAllowed(message=f"{method} is not supported on {path[:200]}; use {methods[0]}", allow=methods)
    return target


def dialect_asked(method: str, path: str) -> DialectName | None:
    """Return in which API a model is asked for an answer, None for whatever else: a page, there or not, or a count."""
    try:
        target = find_target(method, path)
    except (NotFound, MethodNotAllowed):
        return None
    return target.dialect if isinstance(target, ModelRoute) and target.operation is Operation.GENERATE else None


def guess_dialect(path: str, raw_headers: Iterable[tuple[bytes, bytes]]) -> DialectName:
    """Return whose errors the caller reads. The model list is everybody's: there the headers tell (wire.md 20.1)."""
    if path.startswith(("/v1/messages", "/v1/v1/messages")):
        return DialectName.ANTHROPIC
    if path.startswith("/v1beta") or (path.startswith("/v1/models/") and path.rpartition(":")[2] in _VERBS):
        return DialectName.GEMINI
    if path.startswith("/api/"):
        return DialectName.OLLAMA
    if path.startswith("/v1/models"):  # everybody's
        names = {name for name, _ in raw_headers}
        if not names.isdisjoint(_ANTHROPIC_HEADERS):
            return DialectName.ANTHROPIC
        if _GEMINI_HEADER in names:
            return DialectName.GEMINI
    return DialectName.OPENAI_CHAT


def _of_gemini(path: str, query: str) -> tuple[tuple[str, ...], Target] | None:
    """Return the route of a path that ends in a verb, None for others. A model's name may hold slashes and colons."""
    named, _, verb = path.rpartition(":")
    start = next((start for start in _OF_GEMINI if named.startswith(start) and len(named) > len(start)), None)
    if start is None or verb not in _VERBS:
        return None
    operation, is_stream = _VERBS[verb]
    is_array = is_stream and "sse" not in parse_qs(query).get("alt", ())
    route = ModelRoute(
        dialect=DialectName.GEMINI,
        operation=operation,
        model=named.removeprefix(start),
        is_stream=is_stream,
        is_array=is_array,
    )
    return ("POST",), route


def _by_prefix(path: str) -> tuple[tuple[str, ...], Target]:
    for prefix, methods, target in _PREFIXES:
        if path.startswith(prefix) and len(path) > len(prefix):
            return methods, target
    raise NotFound(message=f"no route {path[:200]}")
