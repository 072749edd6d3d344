"""Anthropic Messages (docs.anthropic.com, "Messages")."""

from __future__ import annotations

from typing import Any

import orjson

from tests.replay.speech.common import Answer, Ask, Heard, event, halves, listed, schema_of, sse, text_json

SIGNATURE = "c2lnbmVkLWJ5LXRoZS12ZW5kb3I="
_STOPS = {"end_turn": "end", "tool_use": "calls"}


def _id(index: int) -> str:
    return f"toolu_messages{index}"


class Messages:
    """Speaks Messages."""

    def ask(self, asked: Ask, *, stream: bool) -> tuple[str, dict[str, Any]]:
        content: list[dict[str, Any]] = [{"type": "text", "text": asked.text}]
        if asked.image:
            content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": asked.image}})
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if (before := asked.before) is not None:
            messages.append({"role": "assistant", "content": _blocks(before)})
            results = [
                {"type": "tool_result", "tool_use_id": _id(index), "content": call.result}
                for index, call in enumerate(before.calls)
            ]
            if results:
                messages.append({"role": "user", "content": results})
        if asked.then:
            messages.append({"role": "user", "content": asked.then})
        body: dict[str, Any] = {"model": "m", "max_tokens": 4096, "messages": messages, "stream": stream}
        if asked.system:
            body["system"] = asked.system
        if asked.tools:
            body["tools"] = [{"name": name, "description": name, "input_schema": schema_of(name)} for name in asked.tools]
        if asked.thinks:
            body["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        return "/v1/messages", body

    def understood(self, body: dict[str, Any], path: str) -> tuple[tuple[str, ...], ...]:
        del path
        out: list[tuple[str, ...]] = [("system", block["text"]) for block in listed(body.get("system"))]
        names: dict[str, str] = {}
        for message in body["messages"]:
            for block in listed(message["content"]):
                match block["type"]:
                    case "text":
                        out.append((message["role"], block["text"]))
                    case "image":
                        out.append(("image", block["source"]["data"]))
                    case "thinking":
                        out.append(("thinking", block["thinking"]))
                    case "tool_use":
                        names[block["id"]] = block["name"]
                        out.append(("call", block["name"], text_json(block["input"])))
                    case "tool_result":
                        said = "".join(part["text"] for part in listed(block["content"]))
                        out.append(("result", names[block["tool_use_id"]], said))
        out += [("tool", tool["name"], text_json(tool["input_schema"])) for tool in body.get("tools") or ()]
        if (body.get("thinking") or {}).get("type") in ("enabled", "adaptive") or (body.get("output_config") or {}).get("effort"):
            out.append(("thinks",))
        return tuple(out)

    def answer(self, said: Answer, *, stream: bool) -> bytes:
        stop = "tool_use" if said.calls else "end_turn"
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "up", "stop_sequence": None}
        usage = {"input_tokens": 7, "output_tokens": 5}
        if not stream:
            return orjson.dumps({**message, "content": _blocks(said), "stop_reason": stop, "usage": usage})
        start: dict[str, Any] = {**message, "content": [], "stop_reason": None, "usage": usage}
        out = [event("message_start", {"type": "message_start", "message": start}), event("ping", {"type": "ping"})]
        for index, block in enumerate(_blocks(said)):
            out += _streamed(index, block)
        delta = {"stop_reason": stop, "stop_sequence": None}
        out.append(event("message_delta", {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}))
        return b"".join([*out, event("message_stop", {"type": "message_stop"})])

    def heard(self, body: bytes, *, stream: bool) -> Heard:
        if not stream:
            reply = orjson.loads(body)
            blocks, stop = reply["content"], reply["stop_reason"]
        else:
            blocks, stop = _gathered(body)
        return Heard(
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            thinking="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
            calls=tuple((block["name"], text_json(block["input"])) for block in blocks if block["type"] == "tool_use"),
            stop=_STOPS[stop],
            signatures=tuple(block["signature"] for block in blocks if block["type"] == "thinking"),
        )


def _blocks(said: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thinking:
        blocks.append({"type": "thinking", "thinking": said.thinking, "signature": SIGNATURE})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    for index, call in enumerate(said.calls):
        blocks.append({"type": "tool_use", "id": _id(index), "name": call.name, "input": call.arguments})
    return blocks


def _streamed(index: int, block: dict[str, Any]) -> list[bytes]:
    deltas: list[dict[str, Any]]
    match block["type"]:
        case "text":
            empty = {**block, "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in halves(block["text"])]
        case "thinking":
            empty = {**block, "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in halves(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case _:
            empty = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in halves(text_json(block["input"]))]
    start = {"type": "content_block_start", "index": index, "content_block": empty}
    out = [event("content_block_start", start)]
    out += [event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
    return [*out, event("content_block_stop", {"type": "content_block_stop", "index": index})]


def _gathered(body: bytes) -> tuple[list[dict[str, Any]], str]:
    """Return the blocks and the stop reason of a stream, as an accumulator makes them."""
    blocks: list[dict[str, Any]] = []
    stop = ""
    events = [document for _, document in sse(body)]
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]
    for one in events:
        if one["type"] == "content_block_start":
            assert one["index"] == len(blocks)
            blocks.append({**one["content_block"], "json": ""})
        elif one["type"] == "content_block_delta":
            block, delta = blocks[one["index"]], one["delta"]
            key = {"input_json_delta": "json", "text_delta": "text", "thinking_delta": "thinking"}.get(delta["type"], "signature")
            block[key] += delta["partial_json" if key == "json" else key]
        elif one["type"] == "message_delta":
            stop = one["delta"]["stop_reason"]
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = orjson.loads(block["json"])
    return blocks, stop
