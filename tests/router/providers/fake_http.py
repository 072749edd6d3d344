"""An HTTP client in memory: answers by script within the request's limits, remembers what was asked. For the virtual clock."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import define, field, frozen

from router.errors import FailureReason, ProviderFailed
from router.providers.transport import HttpRequest

JSON = (("content-type", "application/json"),)
SSE = (("content-type", "text/event-stream; charset=utf-8"),)


@frozen(kw_only=True)
class Told:
    """One answer: `parts` are what each read gives; a number is a pause, a failure is raised."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = JSON
    parts: Sequence[bytes | float | ProviderFailed] = (b"{}",)
    head_after_s: float = 0.0


@define
class FakeAnswer:
    told: Told
    provider: str
    idle_s: float
    _parts: deque[bytes | float | ProviderFailed] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._parts = deque(self.told.parts)

    @property
    def status(self) -> int:
        return self.told.status

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        return self.told.headers

    async def read(self) -> bytes:
        await trio.lowlevel.checkpoint()
        while self._parts:
            part = self._parts.popleft()
            if isinstance(part, ProviderFailed):
                raise part
            if isinstance(part, bytes):
                return part
            await _wait(part, self.idle_s, self.provider)
        return b""


@define
class FakeClient:
    """Gives its answers one after the other, the last one again and again."""

    answers: Sequence[Told | ProviderFailed]
    provider: str = "p"
    requests: list[HttpRequest] = field(factory=list)
    reached: list[tuple[str, float]] = field(factory=list)
    open_now: int = 0
    is_closed: bool = False

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[FakeAnswer]:
        told = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        await trio.lowlevel.checkpoint()
        if request.on_send is not None:
            request.on_send()
        if isinstance(told, ProviderFailed):
            raise told
        await _wait(told.head_after_s, request.timeouts.head_s, self.provider)
        self.open_now += 1
        try:
            yield FakeAnswer(told, self.provider, request.timeouts.idle_s)
        finally:
            self.open_now -= 1

    async def reach(self, url: str, *, connect_s: float) -> None:
        self.reached.append((url, connect_s))
        await trio.lowlevel.checkpoint()
        if isinstance(self.answers[0], ProviderFailed):
            raise self.answers[0]

    async def close_expired(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self.is_closed = True


async def _wait(pause_s: float, limit_s: float, provider: str) -> None:
    """Wait, but no longer than the limit. Raises ProviderFailed(timeout), as the real client does."""
    await trio.sleep(min(pause_s, limit_s))
    if pause_s > limit_s:
        raise ProviderFailed(provider=provider, reason=FailureReason.TIMEOUT, message=f"nothing came within {limit_s:g} s")
