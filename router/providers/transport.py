"""What the adapter asks of an HTTP client: values and Protocols.

So another client may take the place of `http.py` without a change elsewhere (founding decision 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Protocol

from attrs import frozen

CANNOT_CONNECT = "cannot connect"  # begins the message of a failure where nobody listens


@frozen(kw_only=True)
class HttpTimeouts:
    """The limits of one exchange.

    `connect_s` holds for the TCP connection and the TLS handshake together, `head_s` from the first step to the whole
    response head, `idle_s` for each read of the body."""

    connect_s: float
    head_s: float
    idle_s: float


@frozen(kw_only=True)
class HttpRequest:
    """One request; `headers` without Host and Content-Length, which the client writes.

    `on_send` is called each time it goes out: once there is a connection for it."""

    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    timeouts: HttpTimeouts
    content: bytes = b""
    method: str = "POST"
    on_send: Callable[[], None] | None = None


class HttpAnswer(Protocol):
    """An answer whose head has come."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """The fields in the upstream's order, names in lower case."""

    async def read(self) -> bytes:
        """Return what one network read gave, b"" at the end of the body.

        Raises ProviderFailed(connection | timeout); a read that failed or was cancelled is the last one."""


class HttpClient(Protocol):
    """The long-lived client of one provider."""

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpAnswer]:
        """Send the request and yield its answer; leaving the context frees the connection at once.

        Raises ProviderFailed(connection | timeout) when no head came."""

    async def reach(self, url: str, *, connect_s: float) -> None:
        """Connect to the URL's host within `connect_s`, and leave. Raises ProviderFailed(connection | timeout)."""

    async def close_expired(self) -> None:
        """Close the connections that have been idle for too long."""

    async def aclose(self) -> None:
        """Close the connections that nobody uses; those in use close with their answers."""


def is_good(status: int) -> bool:
    """Tell whether a status says success."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
