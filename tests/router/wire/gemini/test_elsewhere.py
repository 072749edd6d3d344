"""What becomes of a Gemini client's request at a provider that speaks another API: what is lost, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from router.domain.request import Note
from router.errors import InvalidRequest
from router.wire.anthropic import request as anthropic
from router.wire.dialect import UpstreamTarget
from router.wire.gemini.request import decode_request
from router.wire.openai_chat import request as openai_chat

TARGET = UpstreamTarget(model="m")
HI = {"role": "user", "parts": [{"text": "hi"}]}
PNG = {"mimeType": "image/png", "data": "QUJD"}


def lost(body: dict[str, Any], **target: Any) -> set[tuple[str, str]]:  # noqa: ANN401 - any key
    """Return (note, kind) of what does not reach a chat upstream; a Messages upstream must lose the same parts."""
    request = decode_request({"contents": [HI], **body})
    chat = openai_chat.encode_request(request, evolve(TARGET, **target)).notes
    messages = anthropic.encode_request(request, evolve(TARGET, **target)).notes
    assert _of_parts(chat) == _of_parts(messages)
    return {(str(note), note.kind) for note in chat}


def _of_parts(notes: tuple[Note, ...]) -> list[Note]:
    return [note for note in notes if note.path.startswith(("contents", "tools"))]


def parts(*told: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"contents": [HI, {"role": "model", "parts": [{"text": "ok"}]}, {"role": role, "parts": list(told)}, HI]}


@pytest.mark.parametrize(
    ("body", "notes"),
    [
        (parts({"inlineData": PNG}), set()),
        (parts({"executableCode": {"code": "1"}}, role="model"), set()),
        (
            parts({"inlineData": {"mimeType": "audio/mp3", "data": "QQ=="}}),
            {("contents[2].parts[0]: inlineData", "audio")},
        ),
        (parts({"fileData": {"fileUri": "gs://a/b.png"}}), {("contents[2].parts[0]: fileData", "image")}),
        (parts({"toolCall": {"id": "1"}}, role="model"), {("contents[2].parts[0]: toolCall", "item")}),
        (parts({"text": "hm", "thought": True}, role="model"), {("contents[2].parts[0]: thought", "thinking")}),
        (
            parts({"text": "a", "thoughtSignature": "c2ln"}, role="model"),
            {("contents[2].parts[0]: thoughtSignature", "signature")},
        ),
        (
            {"tools": [{"googleSearch": {}}, {"urlContext": {}}, {"codeExecution": {}}]},
            {
                ("tools[0].googleSearch: googleSearch is a server tool", "server-tool"),
                ("tools[1].urlContext: urlContext is a server tool", "server-tool"),
                ("tools[2].codeExecution: codeExecution is a server tool", "server-tool"),
            },
        ),
        ({"safetySettings": [], "labels": {}}, {("safetySettings", "field"), ("labels", "field")}),
        ({"generationConfig": {"topK": 3, "seed": 4}}, {("generationConfig.topK", "field"), ("generationConfig.seed", "field")}),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}},
            {("generationConfig.thinkingConfig", "thinking")},
        ),
    ],
)
def test_what_is_lost_is_told(body: dict[str, Any], notes: set[tuple[str, str]]) -> None:
    assert lost(body) == notes


def test_calls_lose_their_signature_and_stay() -> None:
    call = {"functionCall": {"id": "1", "name": "f"}, "thoughtSignature": "c2ln"}
    answer = {"functionResponse": {"id": "1", "name": "f", "response": {"output": "A"}}}
    body = {"contents": [HI, {"role": "model", "parts": [call]}, {"role": "user", "parts": [answer]}]}

    assert lost(body) == {("contents[1].parts[0].thoughtSignature", "signature")}


def test_an_image_without_vision_is_told() -> None:
    assert lost(parts({"inlineData": PNG}), vision=False) == {("contents[2].parts[0]: image", "image")}


def test_a_server_tool_may_be_refused() -> None:
    with pytest.raises(InvalidRequest) as raised:
        lost({"tools": [{"googleSearch": {}}]}, server_tools="refuse")

    assert raised.value.param == "tools[0].googleSearch"


def test_a_sampling_field_goes_where_it_is_listed() -> None:
    request = decode_request({"contents": [HI], "generationConfig": {"topK": 3}})

    body = openai_chat.encode_request(request, evolve(TARGET, allow_fields=("top_k",))).body

    assert body["top_k"] == 3


def test_a_budget_is_an_effort_elsewhere_and_thoughts_are_asked_for_in_tokens() -> None:
    def config(**thinking: object) -> dict[str, Any]:
        return {"contents": [HI], "generationConfig": {"maxOutputTokens": 9000, "thinkingConfig": thinking}}

    unread, read = (
        decode_request(config(thinkingBudget=20_000)),
        decode_request(config(includeThoughts=True, thinkingBudget=2048)),
    )

    chat = openai_chat.encode_request(unread, evolve(TARGET, reasoning_effort=True)).body
    messages = anthropic.encode_request(read, TARGET).body
    assert chat["reasoning_effort"] == "high"
    assert messages["thinking"] == {"type": "enabled", "budget_tokens": 2048}
