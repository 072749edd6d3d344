"""What every dialect owes an ordinary turn: the rules of its grammar one by one, the shape of a whole reply, its headers."""

from __future__ import annotations

from functools import partial

from tests.conformance.bench import Bench, Check, Failed, expect, read_success
from tests.conformance.dialects import EVERY, Dialect


def stream_checks() -> tuple[Check, ...]:
    """Return the checks of every dialect's streams and replies."""
    return tuple(one for dialect in EVERY for one in (*_rule_checks(dialect), *_ordinary_checks(dialect)))


def _rule_checks(dialect: Dialect) -> list[Check]:
    return [
        Check(
            id=f"{dialect.name}.stream.{rule}",
            claim=f"In a stream {claim}.",
            source=dialect.stream_source,
            run=partial(_keeps_rule, dialect, rule),
        )
        for rule, claim in dialect.rules.items()
    ]


def _ordinary_checks(dialect: Dialect) -> list[Check]:
    name = dialect.name
    kind = dialect.stream_type
    return [
        Check(
            id=f"{name}.stream.head",
            claim=f"A stream has status 200, content type {kind}, and no content-length.",
            source=dialect.stream_source,
            run=partial(_stream_head, dialect),
        ),
        Check(
            id=f"{name}.stream.says-something",
            claim="A stream to a plain question says something, and tells why it ended and its tokens.",
            source=dialect.stream_source,
            run=partial(_says_something, dialect, is_stream=True),
        ),
        Check(
            id=f"{name}.json.shape",
            claim="The answer to a request without stream is JSON with every member that the reference requires.",
            source=dialect.reply_source,
            run=partial(_json_shape, dialect),
        ),
        Check(
            id=f"{name}.json.says-something",
            claim="A whole answer to a plain question says something, and tells why it ended and its tokens.",
            source=dialect.reply_source,
            run=partial(_says_something, dialect, is_stream=False),
        ),
        Check(
            id=f"{name}.request-id",
            claim=f"An answer carries an id for support requests in {dialect.id_header}, and two answers have two.",
            source=dialect.id_source,
            run=partial(_request_id, dialect),
        ),
    ]


async def _keeps_rule(dialect: Dialect, rule: str, bench: Bench) -> None:
    answer = await bench.spoken(dialect, is_stream=True)
    broken = dialect.read(answer.body, is_stream=True).broken(rule)
    expect(not broken, "; ".join(broken[:2]))


async def _stream_head(dialect: Dialect, bench: Bench) -> None:
    answer = await bench.spoken(dialect, is_stream=True)
    expect(answer.is_type(dialect.stream_type), f"content-type {answer.header('content-type')!r}")
    expect(answer.header("content-length") is None, f"content-length {answer.header('content-length')}")


async def _says_something(dialect: Dialect, bench: Bench, *, is_stream: bool) -> None:
    answer = await bench.spoken(dialect, is_stream=is_stream)
    told = dialect.read(answer.body, is_stream=is_stream)
    expect(told.text.strip() or told.calls, "neither text nor a call")
    expect(told.stop is not None, "no reason for the end")
    expect(told.tokens is not None and min(told.tokens) > 0, f"tokens in and out: {told.tokens}")


async def _json_shape(dialect: Dialect, bench: Bench) -> None:
    answer = await bench.spoken(dialect, is_stream=False)
    expect(answer.is_type("application/json"), f"content-type {answer.header('content-type')!r}")
    read_success(dialect, answer, is_stream=False)


async def _request_id(dialect: Dialect, bench: Bench) -> None:
    ids = [(await bench.spoken(dialect, is_stream=is_stream)).header(dialect.id_header) for is_stream in (True, False)]
    if not all(ids):
        raise Failed(f"no header {dialect.id_header}")
    expect(ids[0] != ids[1], f"both have {ids[0]}")
