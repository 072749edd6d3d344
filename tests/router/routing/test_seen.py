"""What an answer has used, as far as it came: told, or estimated from what it said."""

from __future__ import annotations

import orjson
import pytest

from router.domain.events import Usage
from router.domain.request import DialectName
from router.routing.seen import Seen
from router.wire.registry import DIALECTS
from router.wire.sse import SseFramer
from tests.builders import ANTHROPIC, CHAT, chat_chunk
from tests.router.ingress.ways import Way


def streamed(dialect: DialectName, data: bytes) -> Usage:
    framer = SseFramer()
    return Seen(provider="a", dialect=DIALECTS[dialect], frames=tuple(framer.feed(data))).usage()


def whole(dialect: DialectName, document: dict[str, object]) -> Usage:
    return Seen(provider="a", dialect=DIALECTS[dialect], document=document).usage()


def a_document(dialect: DialectName, text: str) -> dict[str, object]:
    """Return a whole answer that tells no usage."""
    head = {"id": "x" * 40, "model": "m"}
    match dialect:
        case DialectName.ANTHROPIC:
            return {**head, "type": "message", "role": "assistant", "content": [{"type": "text", "text": text}]}
        case DialectName.OPENAI_CHAT:
            return {**head, "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
        case DialectName.OPENAI_RESPONSES:
            content = [{"type": "output_text", "text": text}]
            return {**head, "object": "response", "output": [{"type": "message", "role": "assistant", "content": content}]}
        case DialectName.GEMINI:
            return {**head, "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}}]}
        case DialectName.OLLAMA:
            return {**head, "message": {"role": "assistant", "content": text}}


def body_of(dialect: DialectName, *, thinking: str = "") -> dict[str, object]:
    (body,) = Way(dialect, dialect, is_stream=False).script(thinking=thinking, output=2000).chunks
    assert isinstance(body, bytes)
    document: dict[str, object] = orjson.loads(body)
    return document


@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
def test_what_is_told_is_what_counts(dialect: DialectName) -> None:
    stream = Way(dialect, dialect, is_stream=True).script(output=2000).chunks
    data = b"".join(chunk for chunk in stream if isinstance(chunk, bytes))

    assert (streamed(dialect, data).input, streamed(dialect, data).output) == (3, 2000)
    assert not streamed(dialect, data).estimated
    assert (whole(dialect, body_of(dialect)).output, whole(dialect, body_of(dialect)).estimated) == (2000, False)


@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
def test_reasoning_that_nobody_counted_is_estimated(dialect: DialectName) -> None:
    document = body_of(dialect, thinking="Hm. " * 100)
    del document["usage"]

    usage = whole(dialect, document)

    assert usage.estimated
    assert usage.output == 100


def test_a_delta_of_reasoning_that_nobody_counted_is_about_a_token() -> None:
    usage = streamed(CHAT, b"".join(chat_chunk({"reasoning_content": "Hm. "}) for _ in range(7)))

    assert usage == Usage(output=7, estimated=True)


@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
@pytest.mark.parametrize(
    "document", [{}, {"error": {"type": "overloaded_error", "message": "no"}}, {"choices": "none", "content": 7}]
)
def test_what_is_no_answer_has_used_nothing_that_is_known(dialect: DialectName, document: dict[str, object]) -> None:
    assert whole(dialect, document) == Usage(estimated=True)


@pytest.mark.parametrize("dialect", DialectName)
def test_of_a_document_that_broke_off_the_text_counts_that_can_be_read(dialect: DialectName) -> None:
    text = 'Grün \\ "und" weit 🌍. ' * 10
    body = orjson.dumps(a_document(dialect, text))
    start = body.index(b"Gr")

    counted = []
    for end in range(len(body) + 1):
        seen = Seen(provider="a", dialect=DIALECTS[dialect])
        seen.part(body[:end])
        usage = seen.usage()
        counted.append(usage.output)
        assert usage.estimated

    assert set(counted[: start + 1]) == {0}
    assert counted == sorted(counted)
    assert counted[-1] == -(-len(text) // 4)


def test_what_a_document_has_told_before_it_broke_off_is_what_counts() -> None:
    told = {"choices": [{"index": 0, "message": {"content": "Hm."}}], "usage": {"prompt_tokens": 3, "completion_tokens": 700}}
    data = orjson.dumps(told)
    seen = Seen(provider="a", dialect=DIALECTS[CHAT], max_tokens=2)
    seen.part(data[:-1])

    assert (seen.usage().input, seen.usage().output, seen.usage().estimated) == (3, 700, False)

    cut = Seen(provider="a", dialect=DIALECTS[CHAT])
    cut.part(data[: data.index(b"00}")])
    assert (cut.usage().input, cut.usage().output, cut.usage().estimated) == (3, 1, True)


@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
def test_nothing_has_used_nothing_that_is_known(dialect: DialectName) -> None:
    assert streamed(dialect, b"") == Usage(estimated=True)
