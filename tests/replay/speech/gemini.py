"""Gemini (ai.google.dev, "GenerateContent")."""

from __future__ import annotations

from typing import Any

import orjson

from tests.replay.speech.common import Answer, Ask, Heard, data, halves, schema_of, sse, text_json


class Gemini:
    """Speaks Gemini."""

    def ask(self, asked: Ask, *, stream: bool) -> tuple[str, dict[str, Any]]:
        parts: list[dict[str, Any]] = [{"text": asked.text}]
        if asked.image:
            parts.append({"inlineData": {"mimeType": "image/png", "data": asked.image}})
        contents: list[dict[str, Any]] = [{"role": "user", "parts": parts}]
        if asked.before is not None:
            contents.append({"role": "model", "parts": _parts(asked.before)})
            results = [
                {"functionResponse": {"name": call.name, "response": {"output": call.result}}} for call in asked.before.calls
            ]
            if results:
                contents.append({"role": "user", "parts": results})
        if asked.then:
            contents.append({"role": "user", "parts": [{"text": asked.then}]})
        body: dict[str, Any] = {"contents": contents, "generationConfig": {"maxOutputTokens": 4096}}
        if asked.system:
            body["systemInstruction"] = {"parts": [{"text": asked.system}]}
        if asked.tools:
            declared = [{"name": name, "description": name, "parametersJsonSchema": schema_of(name)} for name in asked.tools]
            body["tools"] = [{"functionDeclarations": declared}]
        if asked.thinks:
            body["generationConfig"]["thinkingConfig"] = {"includeThoughts": True, "thinkingBudget": 2048}
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/m:{verb}", body

    def understood(self, body: dict[str, Any], path: str) -> tuple[tuple[str, ...], ...]:
        del path
        system = (body.get("systemInstruction") or {}).get("parts") or ()
        out: list[tuple[str, ...]] = [("system", part["text"]) for part in system]
        for content in body["contents"]:
            role = "assistant" if content["role"] == "model" else "user"
            for part in content["parts"]:
                if "functionCall" in part:
                    out.append(("call", part["functionCall"]["name"], text_json(part["functionCall"].get("args") or {})))
                elif "functionResponse" in part:
                    told = part["functionResponse"]["response"]
                    out.append(("result", part["functionResponse"]["name"], str(told.get("output", told))))
                elif "inlineData" in part:
                    out.append(("image", part["inlineData"]["data"]))
                elif part.get("thought"):
                    out.append(("thinking", part["text"]))
                elif part["text"]:
                    out.append((role, part["text"]))
        for tool in body.get("tools") or ():
            declared = tool["functionDeclarations"]
            out += [("tool", function["name"], text_json(function["parametersJsonSchema"])) for function in declared]
        thinking = (body.get("generationConfig") or {}).get("thinkingConfig") or {}
        if thinking.get("thinkingBudget", 0) or thinking.get("thinkingLevel") or thinking.get("includeThoughts"):
            out.append(("thinks",))
        return tuple(out)

    def answer(self, said: Answer, *, stream: bool) -> bytes:
        usage = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
        head = {"modelVersion": "up", "responseId": "r1"}
        if not stream:
            candidate: dict[str, Any] = {"content": {"role": "model", "parts": _parts(said)}, "finishReason": "STOP", "index": 0}
            return orjson.dumps({"candidates": [candidate], "usageMetadata": usage, **head})
        parts = [piece for part in _parts(said) for piece in _pieces(part)]
        frames: list[dict[str, Any]] = [
            {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}], **head} for part in parts
        ]
        last: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}
        frames.append({"candidates": [last], "usageMetadata": usage, **head})
        return b"".join(map(data, frames))

    def heard(self, body: bytes, *, stream: bool) -> Heard:
        frames = [document for _, document in sse(body)] if stream else [orjson.loads(body)]
        candidates = [frame["candidates"][0] for frame in frames]
        assert [candidate.get("finishReason") for candidate in candidates] == [None] * (len(candidates) - 1) + ["STOP"]
        assert frames[-1]["usageMetadata"]["totalTokenCount"] == 12
        parts = [part for candidate in candidates for part in candidate["content"]["parts"]]
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        return Heard(
            text="".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
            thinking="".join(part["text"] for part in parts if part.get("thought")),
            calls=tuple((call["name"], text_json(call["args"])) for call in calls),
            stop="calls" if calls else "end",
            signatures=tuple(part["thoughtSignature"] for part in parts if "functionCall" in part and "thoughtSignature" in part),
        )


def _parts(said: Answer) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if said.thinking:
        parts.append({"text": said.thinking, "thought": True})
    if said.text:
        parts.append({"text": said.text})
    for call in said.calls:
        part: dict[str, Any] = {"functionCall": {"name": call.name, "args": call.arguments}}
        parts.append({**part, "thoughtSignature": call.signature} if call.signature else part)
    return parts


def _pieces(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**part, "text": piece} for piece in halves(part["text"])] if "text" in part else [part]
