"""The smallest request of a dialect, and whether what comes back is an answer to it (supervision.md 21.7, D27, D29). Pure.

An answer without content is a good one here: a token may be a blank, or the first of a thought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.events import Stopped
from router.domain.frame import Frame
from router.wire.dialect import Dialect, InbandError, Minting, ReplyOptions, Verdict
from router.wire.ending import bad_response
from router.wire.inband import failed, inband_error
from router.wire.json_text import parse_object

_MODEL = ("model", "modelVersion")
_NO_MINTING = Minting(new_id=lambda prefix: prefix, now=lambda: 0)  # nobody reads what is decoded


class ProbeReader:
    """Reads one streamed answer. `model` is the name that it carries, "" for none so far."""

    def __init__(self, dialect: Dialect, provider: str) -> None:
        self.model = ""
        self._provider = provider
        self._decoder = dialect.decoder(ReplyOptions(model="", provider=provider), _NO_MINTING)

    def feed(self, frame: Frame) -> bool:
        """Tell whether the frame ends the answer. Raises ProviderFailed for an error, or for what is not of the dialect."""
        chunk = parse_object(frame.data) if frame.data else None
        if chunk is not None:
            self.model = self.model or told_model(chunk, self._provider)
        return any(isinstance(event, Stopped) for event in self._decoder.feed(frame))

    def close(self) -> None:
        """Take the end of the body. Raises ProviderFailed(stream-truncated | empty-stream) when it came too soon."""
        self._decoder.close()


def read_whole(dialect: Dialect, provider: str, body: bytes) -> str:
    """Return the model that a whole answer names. Raises ProviderFailed (bad-response, or the class of its error)."""
    reply = _object(body, provider)
    verdict = dialect.reply_verdict(reply)
    if isinstance(verdict, InbandError):
        raise failed(provider, verdict)
    if verdict is Verdict.MALFORMED:
        raise bad_response(provider, "the answer is not in the format of its API")
    return told_model(reply, provider)


def check_model_list(provider: str, body: bytes) -> None:
    """Raise ProviderFailed for a body that is no list of models (bad-response), or that holds an error.

    Vendors call the list `data`, some servers `models`; Ollama writes null for an empty one."""
    document = _object(body, provider)
    if (error := inband_error(document)) is not None:
        raise failed(provider, error)
    told = [document[key] for key in ("data", "models") if key in document]
    if not told or not all(_is_list_of_objects(found) for found in told):
        raise bad_response(provider, "the answer is not a list of models")


def told_model(document: Mapping[str, Any], provider: str) -> str:
    """Return the model that a chunk, an event or a reply names, "" for none. Raises ProviderFailed(bad-response) for no text."""
    holders = (document.get("message"), document.get("response"), document)
    named = next((told for holder in holders if isinstance(holder, dict) for key in _MODEL if (told := holder.get(key))), None)
    if named is None:
        return ""
    if not isinstance(named, str):
        raise bad_response(provider, "the answer names a model that is not a string")
    return named


def _object(body: bytes, provider: str) -> dict[str, Any]:
    document = parse_object(body)
    if document is None:
        raise bad_response(provider, "the answer is not a JSON object")
    return document


def _is_list_of_objects(found: object) -> bool:
    return found is None or (isinstance(found, list) and all(isinstance(entry, dict) for entry in found))
