from __future__ import annotations

import pytest

from router.domain.request import DialectName
from router.errors import MethodNotAllowed, NotFound
from router.ingress.routes import ModelRoute, Operation, Page, Target, find_target, guess_dialect

ANTHROPIC, CHAT = DialectName.ANTHROPIC, DialectName.OPENAI_CHAT


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("POST", "/v1/messages", ModelRoute(dialect=ANTHROPIC)),
        ("POST", "/v1/messages/count_tokens", ModelRoute(dialect=ANTHROPIC, operation=Operation.COUNT_TOKENS)),
        ("POST", "/v1/v1/messages", ModelRoute(dialect=ANTHROPIC)),
        ("POST", "/v1/v1/messages/count_tokens", ModelRoute(dialect=ANTHROPIC, operation=Operation.COUNT_TOKENS)),
        ("POST", "/v1/chat/completions", ModelRoute(dialect=CHAT)),
        ("POST", "/chat/completions", ModelRoute(dialect=CHAT)),
        ("GET", "/v1/models", Page.MODELS),
        ("GET", "/v1/models/vendor/name", Page.MODELS),
        ("HEAD", "/", Page.ROOT),
        ("GET", "/api/hello", Page.QUIET),
        ("HEAD", "/api/hello", Page.QUIET),
        ("POST", "/api/event_logging/batch", Page.QUIET),
        ("GET", "/livez", Page.LIVEZ),
        ("GET", "/readyz", Page.READYZ),
        ("GET", "/healthz", Page.HEALTHZ),
        ("GET", "/status", Page.STATUS),
    ],
)
def test_every_route_of_the_specification_has_its_target(method: str, path: str, target: Target) -> None:
    assert find_target(method, path) == target


@pytest.mark.parametrize("path", ["/v1/message", "/v1/messages/", "/v1/models/", "/api/event_logging/", "//v1/messages", ""])
def test_any_other_path_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        find_target("POST", path)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/messages", ("POST",)),
        ("POST", "/v1/models", ("GET", "HEAD")),
        ("DELETE", "/v1/models/x", ("GET", "HEAD")),
        ("OPTIONS", "/v1/chat/completions", ("POST",)),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allow: tuple[str, ...]) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        find_target(method, path)

    assert caught.value.allow == allow


@pytest.mark.parametrize(
    ("path", "header", "dialect"),
    [
        ("/v1/messages", b"host", ANTHROPIC),
        ("/v1/messages/nowhere", b"host", ANTHROPIC),
        ("/v1/models", b"anthropic-version", ANTHROPIC),
        ("/v1/models/x", b"x-api-key", ANTHROPIC),
        ("/v1/models", b"authorization", CHAT),
        ("/v1/chat/completions", b"x-api-key", CHAT),
        ("/nowhere", b"anthropic-version", CHAT),
    ],
)
def test_errors_are_in_the_dialect_that_path_and_headers_suggest(path: str, header: bytes, dialect: DialectName) -> None:
    assert guess_dialect(path, [(header, b"x")]) is dialect
