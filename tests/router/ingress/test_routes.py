from __future__ import annotations

import pytest

from router.domain.request import DialectName
from router.errors import MethodNotAllowed, NotFound
from router.ingress.routes import ModelRoute, Operation, Page, Target, find_target, guess_dialect

ANTHROPIC, CHAT = DialectName.ANTHROPIC, DialectName.OPENAI_CHAT
RESPONSES, GEMINI, OLLAMA = DialectName.OPENAI_RESPONSES, DialectName.GEMINI, DialectName.OLLAMA


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("POST", "/v1/messages", ModelRoute(dialect=ANTHROPIC)),
        ("POST", "/v1/messages/count_tokens", ModelRoute(dialect=ANTHROPIC, operation=Operation.COUNT_TOKENS)),
        ("POST", "/v1/v1/messages", ModelRoute(dialect=ANTHROPIC)),
        ("POST", "/v1/v1/messages/count_tokens", ModelRoute(dialect=ANTHROPIC, operation=Operation.COUNT_TOKENS)),
        ("POST", "/v1/chat/completions", ModelRoute(dialect=CHAT)),
        ("POST", "/chat/completions", ModelRoute(dialect=CHAT)),
        ("POST", "/v1/responses", ModelRoute(dialect=RESPONSES)),
        ("POST", "/responses", ModelRoute(dialect=RESPONSES)),
        ("GET", "/v1/responses/resp_1", Page.STORED),
        ("DELETE", "/v1/responses/resp_1", Page.STORED),
        ("POST", "/v1/responses/compact", Page.STORED),
        ("POST", "/v1/responses/resp_1/cancel", Page.STORED),
        ("POST", "/api/chat", ModelRoute(dialect=OLLAMA)),
        ("GET", "/api/tags", Page.MODELS),
        ("GET", "/api/ps", Page.MODELS),
        ("GET", "/api/version", Page.MODELS),
        ("POST", "/api/show", Page.MODELS),
        ("GET", "/v1beta/models", Page.MODELS),
        ("GET", "/v1beta/models/gemini-2.5-pro", Page.MODELS),
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
        ("GET", "/metrics.json", Page.STATUS),
        ("GET", "/admin/tree", Page.STATUS),
        ("GET", "/metrics", Page.METRICS),
    ],
)
def test_every_route_of_the_specification_has_its_target(method: str, path: str, target: Target) -> None:
    assert find_target(method, path) == target


@pytest.mark.parametrize(
    ("path", "query", "route"),
    [
        ("/v1beta/models/m:generateContent", "", ModelRoute(dialect=GEMINI, model="m", is_stream=False)),
        ("/v1beta/models/m:streamGenerateContent", "alt=sse", ModelRoute(dialect=GEMINI, model="m", is_stream=True)),
        ("/v1beta/models/m:streamGenerateContent", "key=k&alt=sse", ModelRoute(dialect=GEMINI, model="m", is_stream=True)),
        (
            "/v1beta/models/m:streamGenerateContent",
            "key=alt=sse",
            ModelRoute(dialect=GEMINI, model="m", is_stream=True, is_array=True),
        ),
        ("/v1/models/a/b:7b:generateContent", "alt=sse", ModelRoute(dialect=GEMINI, model="a/b:7b", is_stream=False)),
        (
            "/v1beta/models/m:countTokens",
            "",
            ModelRoute(dialect=GEMINI, operation=Operation.COUNT_TOKENS, model="m", is_stream=False),
        ),
    ],
)
def test_a_gemini_path_says_model_verb_and_form(path: str, query: str, route: ModelRoute) -> None:
    assert find_target("POST", path, query) == route


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/models/m:embedContent",
        "/v1/models/m:batchEmbedContents",
        "/v1beta/tunedModels/m:embedContent",
        "/v1beta/models/:generateContent",
    ],
)
def test_a_verb_of_geminis_that_is_not_ours_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        find_target("POST", path)


def test_a_gemini_path_without_a_verb_is_there_to_be_read() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        find_target("POST", "/v1beta/models/m")

    assert caught.value.allow == ("GET", "HEAD")
    assert find_target("GET", "/v1beta/models/qwen2.5:7b") is Page.MODELS


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
        ("/v1/models", b"x-goog-api-key", GEMINI),
        ("/v1/models/m:embedContent", b"x-goog-api-key", GEMINI),
        ("/v1/chat/completions", b"x-api-key", CHAT),
        ("/nowhere", b"anthropic-version", CHAT),
        ("/v1/responses", b"x-api-key", CHAT),
        ("/v1beta/models/m:generateContent", b"host", GEMINI),
        ("/v1beta/nowhere", b"anthropic-version", GEMINI),
        ("/v1/models/m:streamGenerateContent", b"x-api-key", GEMINI),
        ("/api/chat", b"host", OLLAMA),
        ("/api/nowhere", b"host", OLLAMA),
    ],
)
def test_errors_are_in_the_dialect_that_path_and_headers_suggest(path: str, header: bytes, dialect: DialectName) -> None:
    assert guess_dialect(path, [(header, b"x")]) is dialect
