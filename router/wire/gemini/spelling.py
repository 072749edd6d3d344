"""The API's two spellings: every key may be written in camelCase or with underscores, and both mean the same (wire.md 11).

Whatever reads a body reads it camel-cased; what the router has no word for keeps the spelling that it came in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_Shape = Mapping[str, "_Shape"]

_LEAF: _Shape = {}
_PART: _Shape = {
    "inlineData": _LEAF,
    "fileData": _LEAF,
    "functionCall": _LEAF,
    "functionResponse": {"parts": {"inlineData": _LEAF, "fileData": _LEAF}},
    "executableCode": _LEAF,
    "codeExecutionResult": _LEAF,
}
_CONTENT: _Shape = {"parts": _PART}
_BODY: _Shape = {
    "contents": _CONTENT,
    "systemInstruction": _CONTENT,
    "tools": {"functionDeclarations": _LEAF},
    "toolConfig": {"functionCallingConfig": _LEAF},
    "generationConfig": {"thinkingConfig": _LEAF},
}
_NAMES = (
    "systemInstruction toolConfig generationConfig safetySettings cachedContent"
    " inlineData mimeType displayName fileData fileUri functionCall functionResponse executableCode codeExecutionResult"
    " thoughtSignature videoMetadata functionDeclarations parametersJsonSchema googleSearch googleSearchRetrieval"
    " googleMaps urlContext codeExecution computerUse fileSearch functionCallingConfig allowedFunctionNames"
    " retrievalConfig topP topK maxOutputTokens stopSequences candidateCount responseMimeType responseSchema"
    " responseJsonSchema thinkingConfig includeThoughts thinkingBudget thinkingLevel presencePenalty frequencyPenalty"
)
_CAMEL = {re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name): name for name in _NAMES.split()}
_CAMEL["_responseJsonSchema"] = "responseJsonSchema"  # what the first SDKs with that field sent


def camel_cased(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body with the API's own keys in camelCase; itself where there is nothing to change.

    Arguments, results and schemas are the client's and stay. Of a key that is there in both spellings camelCase counts."""
    cased: dict[str, Any] = _cased(body, _BODY)
    return cased


def cased_part(part: dict[str, Any]) -> dict[str, Any]:
    """Return one part as `camel_cased` has it."""
    cased: dict[str, Any] = _cased(part, _PART)
    return cased


def _cased(value: Any, shape: _Shape) -> Any:
    if isinstance(value, list):
        items = [_cased(item, shape) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if not isinstance(value, dict):
        return value
    renamed = _renamed(value) if any("_" in key for key in value) else value
    for key in shape.keys() & renamed.keys():
        inner = _cased(renamed[key], shape[key])
        if inner is not renamed[key]:
            renamed = {**renamed, key: inner}
    return renamed


def _renamed(holder: dict[str, Any]) -> dict[str, Any]:
    named = {key: _CAMEL.get(key, key) for key in holder}
    return {named[key]: value for key, value in holder.items() if named[key] == key or named[key] not in holder}
