"""An open upstream answer: its frames, or its whole body, each within the limits of the attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import trio
from attrs import define, field

from router.domain.events import Usage
from router.domain.frame import Frame
from router.errors import FailureReason, ProviderFailed
from router.ports import OpenInfo, ReadsOn
from router.providers.failures import MAX_ERROR_BYTES, ErrorAnswer
from router.providers.transport import HttpAnswer
from router.wire.dialect import Framer

MAX_BODY_BYTES = 32 * 1024 * 1024  # wire.md 19.2
ERROR_BODY_S = 1.0  # an error's body is worth no longer wait: the next provider stands by


@define(kw_only=True)
class CountedAnswer:
    """An HttpAnswer whose body is counted, for an attempt that may go on without its client."""

    answer: HttpAnswer
    reads_on: ReadsOn

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.answer.status

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """The fields in the upstream's order."""
        return self.answer.headers

    async def read(self) -> bytes:
        """Return what one network read gave, as the answer itself does."""
        chunk = await self.answer.read()
        self.reads_on.took(len(chunk))
        return chunk


@define(kw_only=True)
class HttpReply:
    """One open answer; its owner is the request's pump.

    `first_by` and `ends_by` are on trio's clock: when the first event must be there, and when all of it. The silence
    between two reads is limited by the HTTP client, at no cost of a scope here."""

    provider: str
    info: OpenInfo
    _answer: HttpAnswer = field(alias="answer")
    _ends_by: float = field(alias="ends_by")
    _until: float = field(alias="first_by")  # of the next read
    _on_settle: Callable[[Usage], None] = field(alias="on_settle")
    _framer: Framer = field(alias="framer")

    async def receive(self) -> tuple[Frame, ...]:
        """Return all whole frames of one network read, () at the end of the body.

        Raises ProviderFailed(connection | timeout | bad-response)."""
        while chunk := await self._read():
            if frames := self._framer.feed(chunk):
                if self._until != self._ends_by and any(frame.data for frame in frames):  # a comment is no event (wire.md 18)
                    self._until = self._ends_by
                return frames
        return self._framer.close()

    async def read_body(self, on_part: Callable[[bytes], None] = lambda _part: None) -> bytes:
        """Return the whole body; `on_part` hears each part.

        Raises ProviderFailed(connection | timeout), and bad-response above 32 MiB."""
        chunks: list[bytes] = []
        size = 0
        while chunk := await self._read():
            self._until = self._ends_by
            chunks.append(chunk)
            size += len(chunk)
            on_part(chunk)
            if size > MAX_BODY_BYTES:
                raise self._failed(FailureReason.BAD_RESPONSE, f"the answer is larger than {MAX_BODY_BYTES} bytes")
        return b"".join(chunks)

    def settle(self, usage: Usage) -> None:
        """Tell what the answer has used, so that the pace of its key counts that instead of an estimate."""
        self._on_settle(usage)

    async def _read(self) -> bytes:
        if self._until == float("inf"):
            return await self._answer.read()
        with trio.move_on_at(self._until):
            return await self._answer.read()
        what = "the whole answer" if self._until == self._ends_by else "the first event"
        raise self._failed(FailureReason.TIMEOUT, f"{what} did not arrive in time")

    def _failed(self, reason: FailureReason, message: str) -> ProviderFailed:
        return ProviderFailed(provider=self.provider, reason=reason, message=message, status=self.info.status)


async def read_error(answer: HttpAnswer) -> ErrorAnswer:
    """Return an answer that is no success with what of its body came within a second, at most 8 KiB.

    The rest is not waited for: whoever leaves the answer's context closes its connection."""
    body = b""
    is_whole = False
    with trio.move_on_after(ERROR_BODY_S), suppress(ProviderFailed):
        while len(body) <= MAX_ERROR_BYTES and (chunk := await answer.read()):
            body += chunk
        is_whole = len(body) <= MAX_ERROR_BYTES
    return ErrorAnswer(status=answer.status, headers=answer.headers, body=body[:MAX_ERROR_BYTES], is_whole=is_whole)
