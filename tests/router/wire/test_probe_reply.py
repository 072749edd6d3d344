"""The smallest request, and the model that an answer names."""

from __future__ import annotations

import pytest

from router.domain.request import DialectName
from router.errors import FailureReason, ProviderFailed
from router.wire.probe_reply import ProbeReader, told_model
from router.wire.registry import DIALECTS
from router.wire.sse import SseFramer
from tests.builders import ANTHROPIC, CHAT, anthropic_stream, chat_stream


@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
def test_a_probe_is_a_request_that_its_dialect_reads(dialect: DialectName) -> None:
    request = DIALECTS[dialect].decode_request(DIALECTS[dialect].probe_body("m", stream=True))

    assert (request.model, request.max_tokens, request.stream, len(request.messages)) == ("m", 1, True, 1)


@pytest.mark.parametrize(
    ("document", "model"),
    [
        ({"model": "a"}, "a"),
        ({"message": {"model": "b"}, "model": "a"}, "b"),
        ({"message": "x", "model": "a"}, "a"),
        ({}, ""),
        ({"model": None}, ""),
    ],
)
def test_the_model_stands_in_the_answer_or_in_its_message(document: dict[str, object], model: str) -> None:
    assert told_model(document, "p") == model


@pytest.mark.parametrize("model", [5, ["m"], {"id": "m"}, True])
def test_a_model_that_is_no_text_is_a_bad_answer(model: object) -> None:
    with pytest.raises(ProviderFailed) as caught:
        told_model({"model": model}, "p")

    assert caught.value.reason is FailureReason.BAD_RESPONSE


@pytest.mark.parametrize(("dialect", "stream"), [(CHAT, chat_stream("x")), (ANTHROPIC, anthropic_stream("x"))])
def test_a_stream_is_over_with_its_terminator_and_not_before(dialect: DialectName, stream: list[bytes]) -> None:
    reader, framer = ProbeReader(DIALECTS[dialect], "p"), SseFramer()

    over = [reader.feed(frame) for chunk in stream for frame in framer.feed(chunk)]

    assert over == [False] * (len(over) - 1) + [True]
    assert reader.model == "m"
