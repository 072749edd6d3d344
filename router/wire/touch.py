"""Edits on single frames and whole replies of a same-dialect relay (wire.md 21, mode `touched`).

Only frames that hold the byte pattern concerned are parsed; all others pass as the bytes they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from attrs import frozen

from router.domain.frame import Frame
from router.domain.request import DialectName
from router.wire.json_text import parse_object
from router.wire.openai_chat.stream import is_thinking_part, text_of

REASONING_KEYS = ("reasoning", "reasoning_content")
OnStrip = Callable[[], None]  # called whenever reasoning was taken out
TAG_KEY = "coderouter_provider"  # the original's name, for the tools that read it
_HOLDERS = {DialectName.ANTHROPIC: "message", DialectName.OPENAI_RESPONSES: "response"}  # where the opening event names it
_TAG = b'"coderouter_provider"'
_REASONING = b'"reasoning'
_THINKING = b'"thinking"'  # a part of a content list (Mistral)
_USAGE = b'"usage"'
_MODEL = b'"model'
_MODEL_KEYS = {DialectName.GEMINI: "modelVersion"}  # where it is not `model`


@frozen(kw_only=True)
class Touches:
    """What has to be edited on one answer: nothing by default."""

    strip_reasoning: bool = False
    drop_usage: bool = False  # the usage chunk that we asked for and the client did not
    echo_model: str | None = None

    def any(self) -> bool:
        """Tell whether there is anything to edit."""
        return self.strip_reasoning or self.drop_usage or self.echo_model is not None


def frame_touch(dialect: DialectName, touches: Touches, on_strip: OnStrip | None = None) -> Callable[[Frame], bytes] | None:
    """Return the edit of one frame (b"" leaves it out), None where no frame needs one."""
    if not touches.any():
        return None
    patterns = _patterns(touches)

    def touch(frame: Frame) -> bytes:
        if not any(pattern in frame.data for pattern in patterns):
            return frame.raw
        return _touched(frame, dialect, touches, on_strip)

    return touch


def touch_reply(
    body: bytes, document: dict[str, Any], dialect: DialectName, touches: Touches, on_strip: OnStrip | None = None
) -> bytes:
    """Return the whole reply as the client shall get it: its own bytes unless an edit is needed."""
    if not any(pattern in body for pattern in _patterns(touches)):
        return body
    is_stripped = touches.strip_reasoning and _strip_reasoning(document, on_strip)
    is_renamed = _rename_model(document, dialect, touches.echo_model)
    return orjson.dumps(document) if is_stripped or is_renamed else body


def tag_reply(body: bytes, provider: str) -> bytes:
    """Return the whole reply with the provider's name as its last field; its other bytes stay as they are."""
    if _TAG in body:  # of a router behind that provider
        return orjson.dumps({**(parse_object(body) or {}), TAG_KEY: provider})
    return body.rstrip()[:-1] + b",%b:%b}" % (_TAG, orjson.dumps(provider))


def _patterns(touches: Touches) -> tuple[bytes, ...]:
    wanted = (
        (touches.strip_reasoning, _REASONING),
        (touches.strip_reasoning, _THINKING),
        (touches.drop_usage, _USAGE),
        (touches.echo_model is not None, _MODEL),
    )
    return tuple(pattern for is_wanted, pattern in wanted if is_wanted)


def _touched(frame: Frame, dialect: DialectName, touches: Touches, on_strip: OnStrip | None) -> bytes:
    chunk = parse_object(frame.data)  # as its verdict reads it: what that takes for reasoning must not pass here
    if chunk is None:
        return frame.raw  # `[DONE]`, or a frame that its verdict has dealt with
    if touches.drop_usage and chunk.get("usage") is not None and not chunk.get("choices"):
        return b""
    is_stripped = touches.strip_reasoning and _strip_reasoning(chunk, on_strip)
    if is_stripped and _says_nothing(chunk):
        return b""
    is_renamed = _rename_model(chunk, dialect, touches.echo_model)
    if not is_stripped and not is_renamed:
        return frame.raw
    if dialect is DialectName.OLLAMA:  # a line of JSON is the whole frame
        return orjson.dumps(chunk) + b"\n"
    name = b"event: " + frame.event + b"\n" if frame.event else b""
    return name + b"data: " + orjson.dumps(chunk) + b"\n\n"


def _rename_model(document: dict[str, Any], dialect: DialectName, model: str | None) -> bool:
    """Put `model` in the place of the upstream's, where both are; tell whether anything changed."""
    if model is None:
        return False
    within = _HOLDERS.get(dialect)
    holder = document[within] if within is not None and within in document else document
    key = _MODEL_KEYS.get(dialect, "model")
    if not isinstance(holder, dict) or not isinstance(holder.get(key), str):
        return False
    holder[key] = model
    return True


def _strip_reasoning(document: dict[str, Any], on_strip: OnStrip | None) -> bool:
    """Remove the reasoning keys of every choice's message or delta (wire.md 13); tell whether anything changed."""
    is_changed = False
    for said in _sayings(document):
        for key in REASONING_KEYS:
            if key in said:
                del said[key]
                is_changed = True
        is_changed = _strip_parts(said) | _strip_details(said) | is_changed
    if is_changed and on_strip is not None:
        on_strip()
    return is_changed


def _strip_parts(said: dict[str, Any]) -> bool:
    """Take reasoning out of a content list; what is left of texts alone is a text, which every client reads."""
    content = said.get("content")
    if not isinstance(content, list) or not any(map(is_thinking_part, content)):
        return False
    rest = [part for part in content if not is_thinking_part(part)]
    is_text = all(isinstance(part, dict) and part.get("type") == "text" for part in rest)
    said["content"] = text_of(rest) if is_text else rest
    return True


def _strip_details(said: dict[str, Any]) -> bool:
    """Take the readable parts out of `reasoning_details`: what is encrypted shows nothing, and is needed later."""
    details = said.get("reasoning_details")
    if not isinstance(details, list):
        return False
    kept = [part for part in details if not isinstance(part, dict) or not (part.get("text") or part.get("summary"))]
    if kept:
        said["reasoning_details"] = kept
    else:
        del said["reasoning_details"]
    return len(kept) < len(details) or not kept


def _sayings(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each choice's message and delta; what is no object is left alone."""
    for choice in _choices(document):
        for part in ("message", "delta"):
            if isinstance(said := choice.get(part), dict):
                yield said


def _choices(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    choices = document.get("choices")
    yield from (choice for choice in (choices if isinstance(choices, list) else ()) if isinstance(choice, dict))


def _says_nothing(chunk: dict[str, Any]) -> bool:
    """Tell whether a stream chunk that lost its reasoning held nothing else: empty deltas, no finish, no usage."""
    if chunk.get("usage") is not None or any(any(said.values()) for said in _sayings(chunk)):
        return False
    return not any(choice.get("finish_reason") for choice in _choices(chunk))
