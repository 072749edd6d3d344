"""What clients read of every kind of error, in the three shapes, before and after commit."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import evolve

from router.domain.request import DialectName
from router.errors import (
    BodyTooLarge,
    ConfigError,
    ContextOverflow,
    ErrorKind,
    FailureReason,
    GuardRejected,
    HostNotAllowed,
    InvalidJson,
    InvalidRequest,
    LeftOut,
    LoopDetected,
    MethodNotAllowed,
    NoProviderAvailable,
    NotFound,
    OverCapacity,
    ProviderFailed,
    RouterError,
    ShuttingDown,
    StreamBroken,
    Unauthorized,
    UnknownMode,
    UnknownProfile,
    UnsupportedMediaType,
    UpstreamClientError,
)
from router.wire.errors import ErrorShape, error_fields, render, scrubbed
from tests import vectors
from tests.builders import PLAIN

CASES = {case["kind"]: case for case in vectors.load("errors/render.json")["cases"]}
LOOP: dict[str, str | int] = {"profile": "p", "tool_name": "Bash", "repeat_count": 3, "threshold": 3, "window": 5}
COUNT: dict[str, str | int] = {"total_count": 51, "max_allowed": 50, "profile": "p"}
OVERFLOW = "prompt is too long: 140000 tokens > 131072 maximum"


def nobody(kind: ErrorKind, *, retry_after_s: float | None = None, permanent: bool = False) -> NoProviderAvailable:
    return NoProviderAvailable(
        kind=kind, message="nobody answered", profile="p", retry_after_s=retry_after_s, permanent=permanent
    )


ERRORS: dict[str, RouterError] = {
    "invalid_json": InvalidJson(message="the body is not JSON"),
    "invalid_request (field messages[0].role)": InvalidRequest(message="must be user", param="messages[0].role"),
    "unknown_profile": UnknownProfile(message="unknown profile 'x'"),
    "unknown_mode": UnknownMode(message="unknown mode 'x'"),
    "unauthorized": Unauthorized(message="no token"),
    "host_not_allowed": HostNotAllowed(message="Host x is not allowed"),
    "paid_gate": nobody(ErrorKind.PAID_GATE),
    "not_found": NotFound(message="no such route"),
    "method_not_allowed": MethodNotAllowed(message="POST only", allow=("POST",)),
    "too_large": BodyTooLarge(message="body over 32 MiB"),
    "unsupported_media_type": UnsupportedMediaType(message="JSON only"),
    "context_overflow": ContextOverflow(message=OVERFLOW),
    "tool_loop": GuardRejected(kind=ErrorKind.TOOL_LOOP, message="tool loop", details=LOOP),
    "tool_count": GuardRejected(kind=ErrorKind.TOOL_COUNT, message="too many calls", details=COUNT),
    "budget_exhausted": nobody(ErrorKind.BUDGET_EXHAUSTED),
    "rate_limited (retry after 7 s)": nobody(ErrorKind.RATE_LIMITED, retry_after_s=6.2),
    "all_failed": nobody(ErrorKind.ALL_FAILED),
    "all_excluded (release in 30 s)": nobody(ErrorKind.ALL_EXCLUDED, retry_after_s=90),
    "all_overloaded": nobody(ErrorKind.ALL_OVERLOADED),
    "timeout": nobody(ErrorKind.TIMEOUT),
    "shutting_down": ShuttingDown(message="the router is stopping"),
    "internal": ConfigError(source="/home/me/router.toml", mistakes=()),
}
MIDSTREAM = StreamBroken(provider="local", reason=FailureReason.STREAM_TRUNCATED, message="sk-secret1 at http://x/")


def upstream_error(status: int, message: str = "no such field", body: bytes = b"") -> UpstreamClientError:
    return UpstreamClientError(provider="p", status=status, message=message, dialect="anthropic", body=body)


@pytest.mark.parametrize("shape", [ErrorShape.ANTHROPIC, ErrorShape.OPENAI, ErrorShape.GEMINI])
@pytest.mark.parametrize("kind", CASES)
def test_vector_is_rendered_in_every_shape(kind: str, shape: ErrorShape) -> None:
    case = CASES[kind]

    rendered = render(ERRORS[kind], shape, "req_1")

    assert rendered.status == case[shape]["status"]
    vectors.assert_matches(case[shape]["body"], orjson.loads(rendered.body))


@pytest.mark.parametrize("kind", CASES)
def test_vector_headers_are_there_and_no_others_of_their_family(kind: str) -> None:
    told = dict(render(ERRORS[kind], ErrorShape.OPENAI, "req_1").headers)

    assert told.pop("content-type") == "application/json"
    told.pop("x-should-retry", None)
    assert told == {name.lower(): value for name, value in CASES[kind]["headers"].items()}


def test_every_vector_and_every_kind_is_covered() -> None:
    assert len(CASES) == 22
    assert ERRORS.keys() == CASES.keys()
    without_vector = {ErrorKind.NOT_CONFIGURED, ErrorKind.OVER_CAPACITY, ErrorKind.UPSTREAM_CLIENT, ErrorKind.MIDSTREAM}
    without_vector |= {ErrorKind.CANCELLED_BY_OPERATOR, ErrorKind.LOOP_DETECTED}
    assert {error.kind for error in ERRORS.values()} == set(ErrorKind) - without_vector


@pytest.mark.parametrize("dialect", DialectName)
def test_a_loop_is_told_with_its_own_status_and_is_not_to_be_repeated(dialect: DialectName) -> None:
    rendered = render(LoopDetected(message="leads back here"), dialect, "req_1")

    assert (rendered.status, dict(rendered.headers)["x-should-retry"]) == (508, "false")
    assert b"leads back here" in rendered.body


@pytest.mark.parametrize("dialect", [DialectName.ANTHROPIC, DialectName.OPENAI_CHAT])
def test_midstream_frame_has_the_fields_of_its_vector(dialect: DialectName) -> None:
    frame = next(f for f in vectors.load("errors/stream_frames.json")["frames"] if f["dialect"] == dialect)
    data = next(line for line in frame["frame"].splitlines() if line.startswith("data: ")).removeprefix("data: ")
    shape = ErrorShape.ANTHROPIC if dialect is DialectName.ANTHROPIC else ErrorShape.OPENAI

    vectors.assert_matches(orjson.loads(data)["error"], error_fields(MIDSTREAM, shape))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ERRORS["invalid_json"], "false"),
        (ERRORS["unauthorized"], "false"),
        (ERRORS["rate_limited (retry after 7 s)"], "true"),
        (ERRORS["internal"], None),
        (nobody(ErrorKind.ALL_FAILED), "true"),
        (nobody(ErrorKind.ALL_FAILED, permanent=True), "false"),
        (nobody(ErrorKind.ALL_EXCLUDED, permanent=True), "true"),
        (nobody(ErrorKind.TIMEOUT), "true"),
        (nobody(ErrorKind.ALL_OVERLOADED), "true"),
        (upstream_error(400), "false"),
        (upstream_error(401), "false"),
    ],
)
def test_should_retry_tells_the_sdk_whether_a_repeat_can_help(error: RouterError, told: str | None) -> None:
    assert dict(render(error, ErrorShape.ANTHROPIC, "req_1").headers).get("x-should-retry") == told


@pytest.mark.parametrize("kind", CASES)
def test_ollama_is_told_one_text_with_the_status_of_openai(kind: str) -> None:
    told, openai = (render(ERRORS[kind], shape, "req_1") for shape in (ErrorShape.OLLAMA, ErrorShape.OPENAI))

    assert told.status == openai.status
    document = orjson.loads(told.body)
    assert list(document) == ["error"]
    assert orjson.loads(openai.body)["error"]["message"].startswith(document["error"])


@pytest.mark.parametrize("shape", [ErrorShape.ANTHROPIC, ErrorShape.OPENAI, ErrorShape.GEMINI])
def test_the_path_leads_the_message_in_every_shape(shape: ErrorShape) -> None:
    error = ERRORS["invalid_request (field messages[0].role)"]

    assert error_fields(error, shape)["message"] == "messages[0].role: must be user"


@pytest.mark.parametrize("kind", [ErrorKind.RATE_LIMITED, ErrorKind.ALL_EXCLUDED])
def test_kinds_that_clients_repeat_only_with_a_number_always_have_one(kind: ErrorKind) -> None:
    assert ("retry-after", "5") in render(nobody(kind), ErrorShape.OPENAI, "req_1").headers


@pytest.mark.parametrize("shape", [ErrorShape.ANTHROPIC, ErrorShape.OPENAI])
def test_a_chain_that_rests_as_a_whole_is_listed_with_what_is_known(shape: ErrorShape) -> None:
    error = evolve(
        nobody(ErrorKind.ALL_EXCLUDED),
        left_out=(
            LeftOut(provider="a", reason="excluded", since_wall=1_700_000_000.5, next_probe_in_s=12.34),
            LeftOut(provider="b", reason="held"),
        ),
    )

    fields = error_fields(error, shape)

    assert fields["code"] == "all_providers_excluded"
    assert fields["providers"] == [
        {"provider": "a", "reason": "excluded", "since": "2023-11-14T22:13:20Z", "next_probe_in": 12.3},
        {"provider": "b", "reason": "held", "since": None, "next_probe_in": None},
    ]


def test_full_house_is_a_503_with_its_own_wait() -> None:
    rendered = render(OverCapacity(message="256 requests in flight"), DialectName.OPENAI_CHAT, "req_1")

    assert rendered.status == 503
    assert ("retry-after", "1") in rendered.headers


def test_upstream_body_passes_unchanged_to_its_own_dialect() -> None:
    error = upstream_error(422, body=b'{"type":"error", "error":{"type":"x","message":"m"}}')

    rendered = render(error, DialectName.ANTHROPIC, "req_1")

    assert (rendered.status, rendered.body) == (422, error.body)


def test_upstream_error_is_told_in_another_dialect_with_the_provider_in_front() -> None:
    error = upstream_error(413, body=b"{}")

    rendered = render(error, DialectName.OPENAI_CHAT, "req_1")

    assert rendered.status == 413
    assert orjson.loads(rendered.body)["error"] == {
        "message": "[p] no such field",
        "type": "invalid_request_error",
        "param": None,
        "code": "request_too_large",
    }


@pytest.mark.parametrize("status", [200, 401, 402, 403, 404, 500])
@pytest.mark.parametrize("dialect", PLAIN)
def test_statuses_that_are_not_the_clients_are_never_shown_as_its_own(status: int, dialect: DialectName) -> None:
    error = upstream_error(status, message="log in", body=b'{"error":"log in"}')

    rendered = render(error, dialect, "req_1")

    assert rendered.status == 502
    assert b"log in" not in rendered.body


def test_midstream_error_tells_the_reason_and_nothing_of_the_upstreams_text() -> None:
    fields: dict[str, Any] = error_fields(MIDSTREAM, ErrorShape.ANTHROPIC)

    assert fields["message"] == "[local] the answer broke off: stream-truncated"


def test_provider_failure_that_comes_out_unwrapped_is_no_internal_error() -> None:
    error = ProviderFailed(provider="p", reason=FailureReason.BAD_RESPONSE, message="secret", retry_after_s=9)

    rendered = render(error, DialectName.ANTHROPIC, "req_1")

    assert rendered.status == 502
    assert b"secret" not in rendered.body


@pytest.mark.parametrize(
    "leak",
    [
        "https://user:pw@10.0.0.1:8080/v1?key=abc",
        "sk-ant-api03-abcdefgh",
        "sk-ab12****wxyz",
        "AIzaSyA1234567890abc",
        "Bearer eyJhbGciOi",
        "0123456789abcdef0123456789abcdef",
    ],
)
@pytest.mark.parametrize("shape", ErrorShape)
def test_no_body_holds_a_url_or_a_key(leak: str, shape: ErrorShape) -> None:
    error = upstream_error(400, message=f"bad request: {leak} was refused")

    body = render(error, shape, "req_1").body.decode()

    assert leak not in body
    assert "bad request" in body


@pytest.mark.parametrize(
    "text",
    [
        "provider local: model qwen2.5-coder-1.5b-instruct-q4_k_m.gguf needs 140000 tokens > 131072",
        "admin actions need the admin token, sent as a bearer token",
        "from another machine this page needs the metrics token (metrics_token_env), sent as a bearer token",
        "send a Bearer token, or 'a bearer token'; two Bearer tokens are one too many",
    ],
)
def test_scrubbing_leaves_ordinary_words_alone(text: str) -> None:
    assert scrubbed(text) == text


@pytest.mark.parametrize("key", ["abc", "Tokenabc", "token-12ab", "token.12ab", "tokens=12ab", "token,12ab", "token12ab"])
@pytest.mark.parametrize("blank", [" ", "  ", "\t"])
def test_scrubbing_takes_a_credential_that_begins_like_the_word_token(key: str, blank: str) -> None:
    assert scrubbed(f"Authorization: Bearer{blank}{key} was refused") == "Authorization: *** was refused"


@pytest.mark.parametrize(
    "key", ["sk-abc***", "nvapi-abc123", "glpat-abc123", "ghp_0123456789abcdefABCDEF", "AKIAIOSFODNN7EXAMPLE", "xoxb-123456"]
)
def test_scrubbing_takes_what_looks_like_a_key_whoevers_it_is(key: str) -> None:
    assert scrubbed(f"wrong key {key} given") == "wrong key *** given"


ODD_BODIES = [
    b'{"error":"just a string"}',
    b'[{"error":{"message":"m","type":"t"}}]',
    b'{"detail":[{"msg":"m"}]}',
    b"null",
    b"\xff\xfe\x00\x01",
    b'{"error":{"message":"the key sk-or-v1-0123456789abcdef is wrong","type":"t","status":"S"},"type":"error"}',
]


@pytest.mark.parametrize("shape", [ErrorShape.ANTHROPIC, ErrorShape.OPENAI, ErrorShape.GEMINI])
@pytest.mark.parametrize("body", ODD_BODIES)
def test_an_upstreams_error_that_no_client_reads_or_that_holds_a_key_is_told_in_our_words(body: bytes, shape: ErrorShape) -> None:
    dialect = {ErrorShape.ANTHROPIC: "anthropic", ErrorShape.OPENAI: "openai_chat", ErrorShape.GEMINI: "gemini"}[shape]
    error = UpstreamClientError(provider="p", status=400, message="no such field", dialect=dialect, body=body)

    told = orjson.loads(render(error, shape, "req_1").body)

    assert told["error"]["message"] == "[p] no such field"


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("anthropic", b'{"type":"error","error":{"type":"invalid_request_error","message":"m","x":1.50}}'),
        ("openai_responses", b'{"error":{"message":"m","type":"t","param":null,"code":null}}'),
        ("gemini", b'{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[]}}'),
        ("ollama", b'{"error":"model not found"}'),
    ],
)
def test_an_upstreams_error_of_the_clients_own_api_passes_as_it_is(dialect: str, body: bytes) -> None:
    error = UpstreamClientError(provider="p", status=400, message="m", dialect=dialect, body=body)

    assert render(error, DialectName(dialect), "req_1").body == body
