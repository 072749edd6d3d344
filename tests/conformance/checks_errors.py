"""What every dialect owes a request that cannot be answered: a status, its own envelope, and no page of HTML."""

from __future__ import annotations

from functools import partial

from tests.conformance import sources
from tests.conformance.bench import NOT_OFFERED, Bench, Check, Failed, NotApplicable, expect, succeeded
from tests.conformance.dialects import EVERY, OLLAMA, Dialect
from tests.conformance.http import Answer, Ask, End
from tests.conformance.shape import as_json, short, text
from tests.conformance.told import Complaints

WRONG_KEY = "conformance-wrong-key"
ANTHROPIC_TYPES = {
    400: {"invalid_request_error"},
    401: {"authentication_error"},
    404: {"not_found_error"},
    405: {"invalid_request_error", "not_found_error"},
    413: {"request_too_large"},
    415: {"invalid_request_error"},
}


def error_checks() -> tuple[Check, ...]:
    """Return the checks of every dialect's errors."""
    return tuple(one for dialect in EVERY for one in _checks_of(dialect))


def _checks_of(dialect: Dialect) -> list[Check]:
    table = (
        ("bad-json", "A body that is no JSON gets 400 in the dialect's envelope.", dialect.error_source, _bad_json),
        ("not-an-object", "A body that is JSON but no object gets 400.", dialect.error_source, _not_an_object),
        ("missing-field", f"A body without {dialect.required} gets 400, and the error names it.", dialect.error_source, _missing),
        (
            "wrong-type",
            f"A body whose {dialect.required} is a number gets 400, and the error names it.",
            dialect.error_source,
            _wrong_type,
        ),
        ("unknown-path", "A path that does not exist gets 404 in the dialect's envelope.", dialect.error_source, _unknown_path),
        ("wrong-method", "A method that the path does not have gets 405 with Allow.", f"{sources.HTTP} 15.5.6", _wrong_method),
        ("media-type", "A body that says it is no JSON gets 415.", f"{sources.HTTP} 15.5.16", _media_type),
        (
            "too-large",
            "A body over the limit gets 413, and the connection is not just cut.",
            f"{sources.HTTP} 15.5.14",
            _too_large,
        ),
        ("wrong-key", "A wrong key gets 401 in the dialect's envelope.", dialect.error_source, _wrong_key),
        ("request-id", f"An error carries an id in {dialect.id_header}.", dialect.id_source, _request_id),
    )
    found = [
        Check(id=f"{dialect.name}.error.{name}", claim=claim, source=source, run=partial(run, dialect))
        for name, claim, source, run in table
        if not (run in _NOT_OF_OLLAMA and dialect is OLLAMA)
    ]
    if dialect.has_retry_header:
        claim = "An error that the same request would meet again says x-should-retry: false."
        name = f"{dialect.name}.error.says-no-retry"
        found.append(Check(id=name, claim=claim, source=sources.SDK_RETRY, run=partial(_no_retry, dialect)))
    return found


def envelope(dialect: Dialect, answer: Answer, *statuses: int) -> str:
    """Return the message of an error that has one of these statuses and the dialect's envelope. Raises Failed."""
    seen = short(answer.body.decode("utf-8", "replace"))
    expect(answer.status in statuses, f"{answer.status}: {seen}")
    expect(answer.end is End.WHOLE, f"the body ended {answer.end}")
    expect(answer.is_type("application/json"), f"content-type {answer.header('content-type')!r}: {seen}")
    wrong = Complaints()
    message = dialect.error_of(answer.json(), wrong, "envelope")
    expect(not wrong.found, "; ".join(one.seen for one in wrong.found))
    if dialect.name == "messages" and answer.status in ANTHROPIC_TYPES:
        kind = text(answer.json(), "error", "type")
        expect(kind in ANTHROPIC_TYPES[answer.status], f"{answer.status} with error type {kind}")
    return message


async def _post(dialect: Dialect, bench: Bench, body: bytes, key: str | None = None, content_type: str = "") -> Answer:
    """Return the answer to a body of any kind. Raises NotOffered where the route does not exist: that is no answer to it."""
    headers = dialect.headers(key or bench.key)
    if content_type:
        headers = (("content-type", content_type), *headers[1:])
    path = dialect.path_of(bench.model, False)  # noqa: FBT003 - `path_of` is called by position
    answer = await bench.fetch(Ask(method="POST", path=path, headers=headers, body=body))
    if answer.status in NOT_OFFERED:
        succeeded(dialect.name, answer)
    return answer


async def _bad_json(dialect: Dialect, bench: Bench) -> None:
    envelope(dialect, await _post(dialect, bench, b'{"model": "x", '), 400)


async def _not_an_object(dialect: Dialect, bench: Bench) -> None:
    envelope(dialect, await _post(dialect, bench, b'["model", "x"]'), 400)


async def _missing(dialect: Dialect, bench: Bench) -> None:
    body = dialect.body_of(bench.turn(is_stream=False))
    del body[dialect.required]
    answer = await _post(dialect, bench, as_json(body).encode())
    envelope(dialect, answer, 400)
    _names_field(dialect, answer)


async def _wrong_type(dialect: Dialect, bench: Bench) -> None:
    answer = await _post(dialect, bench, as_json(dialect.body_of(bench.turn(is_stream=False)) | {dialect.required: 5}).encode())
    envelope(dialect, answer, 400)
    _names_field(dialect, answer)


def _names_field(dialect: Dialect, answer: Answer) -> None:
    seen = answer.body.decode("utf-8", "replace")
    expect(dialect.required in seen, f"{dialect.required} is not named: {short(seen)}")


async def _unknown_path(dialect: Dialect, bench: Bench) -> None:
    await _post(dialect, bench, b"{")  # offered at all?
    ask = Ask(method="POST", path=dialect.lost_path, headers=dialect.headers(bench.key), body=b"{}")
    envelope(dialect, await bench.fetch(ask), 404)


async def _wrong_method(dialect: Dialect, bench: Bench) -> None:
    await _post(dialect, bench, b"{")  # offered at all?
    path = dialect.path_of(bench.model, False)  # noqa: FBT003 - `path_of` is called by position
    answer = await bench.fetch(Ask(method="PATCH", path=path, headers=dialect.headers(bench.key), body=b"{}"))
    envelope(dialect, answer, 405)
    expect("POST" in (answer.header("allow") or ""), f"Allow: {answer.header('allow')}")


async def _media_type(dialect: Dialect, bench: Bench) -> None:
    body = as_json(dialect.body_of(bench.turn(is_stream=False))).encode()
    envelope(dialect, await _post(dialect, bench, body, content_type="text/html"), 415)


async def _too_large(dialect: Dialect, bench: Bench) -> None:
    await _post(dialect, bench, b"{")  # offered at all?
    body = dialect.body_of(bench.turn("x" * bench.oversize_bytes, is_stream=False))
    envelope(dialect, await _post(dialect, bench, as_json(body).encode()), 413)


async def _wrong_key(dialect: Dialect, bench: Bench) -> None:
    if bench.key is None:
        raise NotApplicable("the server is tested without --key")
    body = as_json(dialect.body_of(bench.turn(is_stream=False))).encode()
    envelope(dialect, await _post(dialect, bench, body, key=WRONG_KEY), 401)


async def _request_id(dialect: Dialect, bench: Bench) -> None:
    answer = await _post(dialect, bench, b"{")
    told = answer.header(dialect.id_header)
    if told is None:
        raise Failed(f"{answer.status} without {dialect.id_header}")
    if dialect.name == "messages":
        in_body = text(answer.json(), "request_id")
        expect(in_body == told, f"request_id {in_body!r} in the body, {told!r} in the header")


async def _no_retry(dialect: Dialect, bench: Bench) -> None:
    answer = await _post(dialect, bench, b"{")
    expect(answer.header("x-should-retry") == "false", f"{answer.status} with x-should-retry {answer.header('x-should-retry')}")


# Ollama itself reads JSON of any type (checks_ollama.py), and loads the model where there is no message
_NOT_OF_OLLAMA = (_media_type, _missing)
