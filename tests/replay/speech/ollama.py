"""Ollama's native chat (its API document, "Generate a chat completion")."""

from __future__ import annotations

from typing import Any

import orjson

from tests.replay.speech.common import Answer, Ask, Call, Heard, halves, schema_of, text_json


class Ollama:
    """Speaks Ollama."""

    def ask(self, asked: Ask, *, stream: bool) -> tuple[str, dict[str, Any]]:
        messages: list[dict[str, Any]] = [{"role": "system", "content": asked.system}] if asked.system else []
        question: dict[str, Any] = {"role": "user", "content": asked.text}
        messages.append({**question, "images": [asked.image]} if asked.image else question)
        if (before := asked.before) is not None:
            messages.append({"role": "assistant", **_message(before)})
            messages += [{"role": "tool", "tool_name": call.name, "content": call.result} for call in before.calls]
        if asked.then:
            messages.append({"role": "user", "content": asked.then})
        body: dict[str, Any] = {"model": "m", "messages": messages, "stream": stream, "options": {"num_predict": 4096}}
        if asked.tools:
            body["tools"] = [
                {"type": "function", "function": {"name": name, "description": name, "parameters": schema_of(name)}}
                for name in asked.tools
            ]
        if asked.thinks:
            body["think"] = True
        return "/api/chat", body

    def understood(self, body: dict[str, Any], path: str) -> tuple[tuple[str, ...], ...]:
        del path
        out: list[tuple[str, ...]] = []
        for message in body["messages"]:
            if message["role"] == "tool":
                out.append(("result", message["tool_name"], message["content"]))
                continue
            if message.get("thinking"):
                out.append(("thinking", message["thinking"]))
            if message.get("content"):
                out.append((message["role"], message["content"]))
            out += [("image", image) for image in message.get("images") or ()]
            for call in message.get("tool_calls") or ():
                out.append(("call", call["function"]["name"], text_json(call["function"]["arguments"])))
        out += [("tool", t["function"]["name"], text_json(t["function"]["parameters"])) for t in body.get("tools") or ()]
        if body.get("think"):
            out.append(("thinks",))
        return tuple(out)

    def answer(self, said: Answer, *, stream: bool) -> bytes:
        head = {"model": "up", "created_at": "2026-01-01T00:00:00Z"}
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 5, "total_duration": 9}
        if not stream:
            return orjson.dumps({**head, "message": {"role": "assistant", **_message(said)}, **end})
        messages: list[dict[str, Any]] = [{"content": "", "thinking": piece} for piece in halves(said.thinking)]
        messages += [{"content": piece} for piece in halves(said.text)]
        messages += [{"content": "", "tool_calls": [_call(call)]} for call in said.calls]
        lines = [{**head, "message": {"role": "assistant", **message}, "done": False} for message in messages]
        lines.append({**head, "message": {"role": "assistant", "content": ""}, **end})
        return b"".join(orjson.dumps(line) + b"\n" for line in lines)

    def heard(self, body: bytes, *, stream: bool) -> Heard:
        lines = [orjson.loads(line) for line in body.splitlines() if line] if stream else [orjson.loads(body)]
        assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
        assert (lines[-1]["prompt_eval_count"], lines[-1]["eval_count"]) == (7, 5)
        assert lines[-1]["done_reason"] == "stop"
        messages = [line["message"] for line in lines]
        calls = [call["function"] for message in messages for call in message.get("tool_calls") or ()]
        return Heard(
            text="".join(message.get("content") or "" for message in messages),
            thinking="".join(message.get("thinking") or "" for message in messages),
            calls=tuple((call["name"], text_json(call["arguments"])) for call in calls),
            stop="calls" if calls else "end",
        )


def _message(said: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"content": said.text}
    if said.thinking:
        message["thinking"] = said.thinking
    if said.calls:
        message["tool_calls"] = [_call(call) for call in said.calls]
    return message


def _call(call: Call) -> dict[str, Any]:
    return {"function": {"name": call.name, "arguments": call.arguments}}
