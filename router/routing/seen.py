"""What an answer has used as far as it came, for one that failed or was left before its end (routing.md 13.3)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from attrs import define, evolve, field

from router.domain.events import Usage
from router.domain.frame import Frame
from router.errors import ProviderFailed
from router.routing.relay import RawPipeline
from router.routing.relay_neutral import usage_of_events
from router.wire.begun_json import begun_object
from router.wire.dialect import Dialect, Minting, ReplyOptions

_NO_CLIENT = ReplyOptions(model="", thinking="pass")
_USAGE = ("usage", "usageMetadata", "prompt_eval_count", "eval_count")  # where the dialects tell it
_NO_IDS = Minting(new_id=lambda prefix: prefix, now=lambda: 0)


@define(kw_only=True)
class Seen:
    """One attempt's answer; written by whoever reads it: the frames of a stream before its commit, or a whole document.

    `parts` are those of a document that is not whole yet. `max_tokens` is the request's limit of output, None without one."""

    provider: str
    dialect: Dialect
    frames: Sequence[Frame] = ()
    document: dict[str, Any] | None = None
    max_tokens: int | None = None
    parts: list[bytes] = field(factory=list)
    _begun: Usage | None = None  # of these parts; to read them takes up to 50 ms

    def part(self, data: bytes) -> None:
        """Take a part of a document that is not whole yet."""
        self.parts.append(data)
        self._begun = None

    def whole(self, document: dict[str, Any] | None) -> None:
        """Take the document; None where the body was none, and has told no more than what can be read of it."""
        if document is not None:
            self.document, self.parts = document, []

    def usage(self) -> Usage:
        """Return what it told, else an estimate of what came, marked so, which is never above the request's limit."""
        if self.parts:
            usage = self._begun = self._begun or self._of_begun(b"".join(self.parts))
        else:
            usage = self._of_stream() if self.document is None else self._of_whole(self.document)
        if self.max_tokens is None or not usage.estimated:
            return usage
        return evolve(usage, output=min(usage.output, self.max_tokens))

    def _of_begun(self, data: bytes) -> Usage:
        """Return the usage of a document that broke off: what it told, and where that is no output, what can be read of it."""
        if (document := begun_object(data)) is None:
            return Usage(estimated=True)
        told = self.dialect.reply_usage(document)
        if told is not None and told.output:
            return told
        said = self._said({key: value for key, value in document.items() if key not in _USAGE})
        return said if told is None else evolve(told, output=said.output, estimated=True)

    def _of_stream(self) -> Usage:
        pipeline = RawPipeline(reader=self.dialect.frame_reader(), provider=self.provider, last_frame=self.dialect.last_frame)
        pipeline.feed(self.frames)
        return pipeline.usage()

    def _of_whole(self, document: dict[str, Any]) -> Usage:
        if (told := self.dialect.reply_usage(document)) is not None:
            return told
        return self._said(document)

    def _said(self, document: dict[str, Any]) -> Usage:
        with suppress(ProviderFailed):  # an error, or what is none of the dialect
            return usage_of_events(self.dialect.decode_reply(document, _NO_CLIENT, _NO_IDS))
        return Usage(estimated=True)
