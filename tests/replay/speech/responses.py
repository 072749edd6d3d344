"""OpenAI Responses (platform.openai.com, "Responses", and its streaming events)."""

from __future__ import annotations

from typing import Any

import orjson

from tests.replay.speech.common import Answer, Ask, Heard, event, halves, listed, schema_of, sse, text_json

ENCRYPTED = "gAAAAABopaque"
_TEXTS = ("input_text", "output_text", "text")


def _id(index: int) -> str:
    return f"call_responses{index}"


class Responses:
    """Speaks Responses."""

    def ask(self, asked: Ask, *, stream: bool) -> tuple[str, dict[str, Any]]:
        content: list[dict[str, Any]] = [{"type": "input_text", "text": asked.text}]
        if asked.image:
            content.append({"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{asked.image}"})
        items: list[dict[str, Any]] = [{"type": "message", "role": "user", "content": content}]
        if asked.before is not None:
            items += _items(asked.before, is_history=True)
            items += [
                {"type": "function_call_output", "call_id": _id(index), "output": call.result}
                for index, call in enumerate(asked.before.calls)
            ]
        if asked.then:
            items.append({"role": "user", "content": asked.then})
        body: dict[str, Any] = {"model": "m", "input": items, "stream": stream, "store": False, "max_output_tokens": 4096}
        if asked.system:
            body["instructions"] = asked.system
        if asked.tools:
            body["tools"] = [
                {"type": "function", "name": name, "description": name, "parameters": schema_of(name), "strict": False}
                for name in asked.tools
            ]
        if asked.thinks:
            body["reasoning"] = {"effort": "medium", "summary": "auto"}
            body["include"] = ["reasoning.encrypted_content"]
        return "/v1/responses", body

    def understood(self, body: dict[str, Any], path: str) -> tuple[tuple[str, ...], ...]:
        del path
        out: list[tuple[str, ...]] = [("system", body["instructions"])] if body.get("instructions") else []
        names: dict[str, str] = {}
        items = body["input"]
        for item in items if isinstance(items, list) else [{"role": "user", "content": items}]:
            match item.get("type", "message"):
                case "message":
                    role = "system" if item["role"] == "developer" else item["role"]
                    for part in listed(item["content"]):
                        if part["type"] in _TEXTS:
                            out.append((role, part["text"]))
                        elif part["type"] == "input_image":
                            out.append(("image", part["image_url"].partition(",")[2]))
                case "reasoning":
                    out.append(("thinking", "".join(part["text"] for part in item["summary"])))
                case "function_call":
                    names[item["call_id"]] = item["name"]
                    out.append(("call", item["name"], text_json(orjson.loads(item["arguments"]))))
                case "function_call_output":
                    said = "".join(part["text"] for part in listed(item["output"]))
                    out.append(("result", names[item["call_id"]], said))
        out += [("tool", tool["name"], text_json(tool["parameters"])) for tool in body.get("tools") or ()]
        if (body.get("reasoning") or {}).get("effort") not in (None, "none"):
            out.append(("thinks",))
        return tuple(out)

    def answer(self, said: Answer, *, stream: bool) -> bytes:
        items = _items(said, is_history=False)
        reply: dict[str, Any] = {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": "up",
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "output": items,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": {
                "input_tokens": 7,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 12,
            },
        }
        if not stream:
            return orjson.dumps(reply)
        begun = {**reply, "status": "in_progress", "output": [], "usage": None}
        events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
        events.append({"type": "response.in_progress", "response": begun})
        for index, item in enumerate(items):
            events += _streamed(index, item)
        events.append({"type": "response.completed", "response": reply})
        return b"".join(event(one["type"], {**one, "sequence_number": number}) for number, one in enumerate(events))

    def heard(self, body: bytes, *, stream: bool) -> Heard:
        if not stream:
            reply = orjson.loads(body)
            items = reply["output"]
        else:
            events = [document for _, document in sse(body)]
            assert [one["sequence_number"] for one in events] == list(range(len(events)))
            assert events[0]["type"] == "response.created"
            assert events[-1]["type"] == "response.completed"
            items = [one["item"] for one in events if one["type"] == "response.output_item.done"]
            reply = events[-1]["response"]
            assert reply["output"] == items
        assert reply["status"] == "completed"
        calls = [item for item in items if item["type"] == "function_call"]
        reasoning = [item for item in items if item["type"] == "reasoning"]
        messages = [item for item in items if item["type"] == "message"]
        return Heard(
            text="".join(part["text"] for item in messages for part in item["content"]),
            thinking="".join(part["text"] for item in reasoning for part in item["summary"]),
            calls=tuple((call["name"], text_json(orjson.loads(call["arguments"]))) for call in calls),
            stop="calls" if calls else "end",
            signatures=tuple(item.get("encrypted_content") or "" for item in reasoning),
        )


def _items(said: Answer, *, is_history: bool) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.thinking:
        summary = [{"type": "summary_text", "text": said.thinking}]
        items.append({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": ENCRYPTED})
    if said.text:
        part: dict[str, Any] = {"type": "output_text", "text": said.text, "annotations": []}
        items.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]})
    for index, call in enumerate(said.calls):
        item = {"type": "function_call", "call_id": _id(index), "name": call.name, "arguments": text_json(call.arguments)}
        items.append(item if is_history else {**item, "id": f"fc_{index}", "status": "completed"})
    return items


def _streamed(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    at = {"output_index": index, "item_id": item["id"]}
    events: list[dict[str, Any]] = []
    match item["type"]:
        case "message":
            (part,) = item["content"]
            empty = {**item, "status": "in_progress", "content": []}
            where = {**at, "content_index": 0}
            events.append({"type": "response.content_part.added", **where, "part": {**part, "text": ""}})
            events += [
                {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []} for piece in halves(part["text"])
            ]
            events.append({"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []})
            events.append({"type": "response.content_part.done", **where, "part": part})
        case "reasoning":
            (part,) = item["summary"]
            empty = {**item, "summary": [], "encrypted_content": None}
            where = {**at, "summary_index": 0}
            events.append({"type": "response.reasoning_summary_part.added", **where, "part": {**part, "text": ""}})
            events += [
                {"type": "response.reasoning_summary_text.delta", **where, "delta": piece} for piece in halves(part["text"])
            ]
            events.append({"type": "response.reasoning_summary_text.done", **where, "text": part["text"]})
            events.append({"type": "response.reasoning_summary_part.done", **where, "part": part})
        case _:
            empty = {**item, "status": "in_progress", "arguments": ""}
            events += [
                {"type": "response.function_call_arguments.delta", **at, "delta": piece} for piece in halves(item["arguments"])
            ]
            events.append({"type": "response.function_call_arguments.done", **at, "arguments": item["arguments"]})
    added = {"type": "response.output_item.added", "output_index": index, "item": empty}
    return [added, *events, {"type": "response.output_item.done", "output_index": index, "item": item}]
