"""What an answer has used as far as it came, for one that failed or was left before its end (routing.md 13.3)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from attrs import define

from router.domain.events import Usage
from router.domain.frame import Frame
from router.errors import ProviderFailed
from router.routing.relay import RawPipeline
from router.routing.relay_neutral import usage_of_events
from router.wire.dialect import Dialect, Minting, ReplyOptions
from router.wire.ending import estimated

_NO_CLIENT = ReplyOptions(model="", thinking="pass")
_NO_IDS = Minting(new_id=lambda prefix: prefix, now=lambda: 0)


@define(kw_only=True)
class Seen:
    """One attempt's answer; written by whoever reads it: the frames of a stream before its commit, or a whole document.

    `size` counts the bytes of a document that is not whole yet."""

    provider: str
    dialect: Dialect
    frames: Sequence[Frame] = ()
    document: dict[str, Any] | None = None
    size: int = 0

    def part(self, size: int) -> None:
        """Count a part of a document that is not whole yet."""
        self.size += size

    def whole(self, document: dict[str, Any] | None) -> None:
        """Take the document; None where the body was none, and has told nothing."""
        self.document, self.size = document, 0

    def usage(self) -> Usage:
        """Return what it told, else an estimate of what came, marked so."""
        if self.size:
            return estimated(self.size, None)
        return self._of_stream() if self.document is None else self._of_whole(self.document)

    def _of_stream(self) -> Usage:
        pipeline = RawPipeline(reader=self.dialect.frame_reader(), provider=self.provider, last_frame=self.dialect.last_frame)
        pipeline.feed(self.frames)
        return pipeline.usage()

    def _of_whole(self, document: dict[str, Any]) -> Usage:
        if (told := self.dialect.reply_usage(document)) is not None:
            return told
        with suppress(ProviderFailed):  # an error, or what is none of the dialect
            return usage_of_events(self.dialect.decode_reply(document, _NO_CLIENT, _NO_IDS))
        return Usage(estimated=True)
