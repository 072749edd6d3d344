"""The vendor's own SDK reads our streams, and puts them together to what the whole reply says (wire.md 24)."""

from __future__ import annotations

from typing import Any

import httpx2  # the SDK's own: it refuses httpx objects
import openai
import pytest
from attrs import evolve
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
)
from router.errors import ContextOverflow, FailureReason, RouterError, StreamBroken
from router.wire.openai_responses.encode_stream import ResponsesEncoder
from router.wire.openai_responses.reply import encode_reply
from tests import vectors
from tests.router.wire.drive import CHAT, RESPONSES, client_events, drive, minting, options_of
from tests.router.wire.openai_responses.bodies import PATCH, SHELL
from tests.router.wire.openai_responses.streams import OPTIONS, encoded

pytestmark = pytest.mark.slow  # importing an SDK and building its client takes its time

NAMES = vectors.names("streams/openai_to_responses", suffix=".sse")
ANSWER: list[NeutralEvent] = [
    Started(id="1", model="m", created=7),
    ThinkingDelta("hm"),
    ThinkingSigned("s"),
    TextDelta("ab"),
    *(ToolStarted(slot=0, id="c", name="X"), ToolDelta(0, '{"a"'), ToolDelta(0, ":1}"), ToolDone(0)),
    *(ToolStarted(slot=1, id="d", name="apply_patch"), ToolDelta(1, '{"input":"x"}'), ToolDone(1)),
    *(ToolStarted(slot=2, id="e", name="local_shell"), ToolDelta(2, '{"command":["ls"]}'), ToolDone(2)),
    Stopped(reason=StopReason.TOOL_USE),
]
ASKED = {"tools": [SHELL, PATCH, {"type": "local_shell"}], "include": ["reasoning.encrypted_content"]}


def client(content: bytes, content_type: str) -> openai.OpenAI:
    answer = httpx2.Response(200, headers={"content-type": content_type}, content=content)
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))
    return openai.OpenAI(api_key="none", base_url="http://router", http_client=http, max_retries=0)


def accumulated(out: bytes) -> Response:
    with client(out, "text/event-stream") as sdk, sdk.responses.stream(model="m", input="hi") as stream:
        return stream.get_final_response()


def vector_stream(name: str) -> tuple[bytes, dict[str, Any]]:
    case = vectors.load(f"streams/openai_to_responses/{name}.expected.json")
    body = (vectors.WIRE / "streams" / "openai_to_responses" / f"{name}.sse").read_bytes()
    return drive([body], CHAT, RESPONSES, options_of(case)).out, case


@pytest.mark.parametrize("name", NAMES)
def test_every_event_is_of_the_vendors_type(name: str) -> None:
    out, _ = vector_stream(name)

    for event in client_events(out, RESPONSES):
        TypeAdapter(ResponseStreamEvent).validate_python(event)


@pytest.mark.parametrize("name", [name for name in NAMES if name[:2] not in {"04", "05"}])
def test_stream_accumulates_to_the_object_of_its_last_event(name: str) -> None:
    out, _ = vector_stream(name)

    whole = client_events(out, RESPONSES)[-1]["response"]
    response = accumulated(out)

    assert [item.id for item in response.output] == [item["id"] for item in whole["output"]]
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.total_tokens == whole["usage"]["total_tokens"]


def test_calls_of_every_form_accumulate() -> None:
    out = encoded(ANSWER, evolve(OPTIONS, asked=ASKED))

    kinds = [item.type for item in accumulated(out).output]

    assert kinds == ["reasoning", "message", "function_call", "custom_tool_call", "local_shell_call"]


def test_whole_reply_is_of_the_vendors_type() -> None:
    body = encode_reply(ANSWER, OPTIONS, minting())

    response = Response.model_validate(body)

    assert response.output_text == "ab"


def test_progress_in_the_middle_does_not_confuse_the_sdk() -> None:
    encoder = ResponsesEncoder(OPTIONS, minting())
    out = b"".join(encoder.encode(event) + encoder.progress() for event in ANSWER)

    assert accumulated(out).output_text == "ab"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StreamBroken(provider="local", reason=FailureReason.CONNECTION, message="reset"), "server_error"),
        (ContextOverflow(message="prompt is too long"), "context_length_exceeded"),
    ],
)
def test_a_failed_stream_is_a_failed_response(error: RouterError, code: str) -> None:
    out = ResponsesEncoder(OPTIONS, minting()).failed(error)

    with client(out, "text/event-stream") as sdk:
        *_, last = sdk.responses.create(model="m", input="hi", stream=True)

    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == code
