"""OpenAI chat completions (platform.openai.com, "Chat")."""

from __future__ import annotations

from typing import Any

import orjson

from tests.replay.speech.common import Answer, Ask, Call, Heard, data, halves, listed, schema_of, sse, text_json

_STOPS = {"stop": "end", "tool_calls": "calls"}


def _id(index: int) -> str:
    return f"call_chat{index}"


class Chat:
    """Speaks chat."""

    def ask(self, asked: Ask, *, stream: bool) -> tuple[str, dict[str, Any]]:
        content: Any = asked.text
        if asked.image:
            url = {"url": f"data:image/png;base64,{asked.image}"}
            content = [{"type": "text", "text": asked.text}, {"type": "image_url", "image_url": url}]
        messages: list[dict[str, Any]] = [{"role": "system", "content": asked.system}] if asked.system else []
        messages.append({"role": "user", "content": content})
        if (before := asked.before) is not None:
            said: dict[str, Any] = {"role": "assistant", "content": before.text or None}
            if before.thinking:
                said["reasoning_content"] = before.thinking
            if before.calls:
                said["tool_calls"] = [_call(index, call) for index, call in enumerate(before.calls)]
            messages.append(said)
            messages += [
                {"role": "tool", "tool_call_id": _id(index), "content": call.result} for index, call in enumerate(before.calls)
            ]
        if asked.then:
            messages.append({"role": "user", "content": asked.then})
        body: dict[str, Any] = {"model": "m", "messages": messages, "stream": stream, "max_tokens": 4096}
        if asked.tools:
            body["tools"] = [
                {"type": "function", "function": {"name": name, "description": name, "parameters": schema_of(name)}}
                for name in asked.tools
            ]
        if asked.thinks:
            body["reasoning_effort"] = "medium"
        return "/v1/chat/completions", body

    def understood(self, body: dict[str, Any], path: str) -> tuple[tuple[str, ...], ...]:
        del path
        out: list[tuple[str, ...]] = []
        names: dict[str, str] = {}
        for message in body["messages"]:
            if message["role"] == "tool":
                out.append(("result", names[message["tool_call_id"]], "".join(p["text"] for p in listed(message["content"]))))
                continue
            if message.get("reasoning_content"):
                out.append(("thinking", message["reasoning_content"]))
            for part in listed(message.get("content")):
                if part["type"] == "image_url":
                    out.append(("image", part["image_url"]["url"].partition(",")[2]))
                elif part["text"]:
                    out.append((message["role"], part["text"]))
            for call in message.get("tool_calls") or ():
                names[call["id"]] = call["function"]["name"]
                out.append(("call", call["function"]["name"], text_json(orjson.loads(call["function"]["arguments"]))))
        out += [("tool", t["function"]["name"], text_json(t["function"]["parameters"])) for t in body.get("tools") or ()]
        if body.get("reasoning_effort", "none") != "none":
            out.append(("thinks",))
        return tuple(out)

    def answer(self, said: Answer, *, stream: bool) -> bytes:
        finish = "tool_calls" if said.calls else "stop"
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        head = {"id": "chatcmpl-1", "created": 1, "model": "up"}
        if not stream:
            message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
            if said.thinking:
                message["reasoning_content"] = said.thinking
            if said.calls:
                message["tool_calls"] = [_call(index, call) for index, call in enumerate(said.calls)]
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return orjson.dumps({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": piece} for piece in halves(said.thinking)]
        deltas += [{"content": piece} for piece in halves(said.text)]
        for index, call in enumerate(said.calls):
            function = {"name": call.name, "arguments": ""}
            deltas.append({"tool_calls": [{"index": index, "id": _id(index), "type": "function", "function": function}]})
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
                for piece in halves(text_json(call.arguments))
            ]
        chunk = {**head, "object": "chat.completion.chunk"}
        out = [data({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}) for delta in deltas]
        out.append(data({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}))
        return b"".join([*out, data({**chunk, "choices": [], "usage": usage}), b"data: [DONE]\n\n"])

    def heard(self, body: bytes, *, stream: bool) -> Heard:
        if not stream:
            (choice,) = orjson.loads(body)["choices"]
            deltas, finish = [choice["message"]], choice["finish_reason"]
            for index, call in enumerate(deltas[0].get("tool_calls") or ()):
                call["index"] = index
        else:
            events = [document for _, document in sse(body)]
            assert events[-1] == "[DONE]"
            choices = [choice for one in events[:-1] for choice in one["choices"]]
            deltas = [choice["delta"] for choice in choices]
            finish = next(choice["finish_reason"] for choice in choices if choice["finish_reason"])
        calls: dict[int, list[str]] = {}
        for fragment in (fragment for delta in deltas for fragment in delta.get("tool_calls") or ()):
            parts = calls.setdefault(fragment["index"], ["", ""])
            parts[0] += fragment["function"].get("name") or ""
            parts[1] += fragment["function"].get("arguments") or ""
        return Heard(
            text="".join(delta.get("content") or "" for delta in deltas),
            thinking="".join(delta.get("reasoning_content") or "" for delta in deltas),
            calls=tuple((name, text_json(orjson.loads(arguments))) for name, arguments in calls.values()),
            stop=_STOPS[finish],
        )


def _call(index: int, call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": text_json(call.arguments)}
    return {"id": _id(index), "type": "function", "function": function}
