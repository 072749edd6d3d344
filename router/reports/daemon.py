"""The commands' way to the running daemon: plain HTTP to its own address, one request a command."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from attrs import field, frozen

from router.config.address import address_of
from router.config.schema import LoadedConfig
from router.config.secret import Secret
from router.domain.printable import printable
from router.reports.daemon_pages import is_page

CONNECT_S = 3.0  # it listens on this machine, or is not there
_LOOKS = ("/status", "/metrics", "/admin/tree", "/admin/requests")  # what opens to the token to look with
_PAGES = ("/status", "/metrics.json", "/admin/tree", "/admin/requests")
ANSWER_S = 10.0  # of a daemon that is well; a reload reads its files and gives new providers their places
PROBE_S = 180.0  # a probe of a model that has to be loaded first may take `[probe].cold_timeout_s`, 120 s


class DaemonUnreachableError(Exception):
    """Nothing answers at the address, or not in time, or something that is no router: exit code 69. The text says which."""


@frozen(kw_only=True)
class Answer:
    """What the daemon said: an HTTP status and a JSON object."""

    status: int
    body: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        """Whether it did what it was asked."""
        return self.status < http.client.BAD_REQUEST

    @property
    def refusal(self) -> str:
        """The daemon's own words of an error, as a terminal may have them; "" where it has none."""
        error = self.body.get("error")
        return printable(str(error.get("message", ""))) if isinstance(error, dict) else ""


@frozen(kw_only=True)
class DaemonClient:
    """`url` is the daemon's base URL. The tokens are those of the configuration, None where none is asked for.

    `answer_s` is how long an answer may take."""

    url: str
    client_token: Secret | None = field(default=None)
    admin_token: Secret | None = field(default=None)
    metrics_token: Secret | None = field(default=None)
    answer_s: float = ANSWER_S

    @classmethod
    def of(cls, loaded: LoadedConfig | None, url: str | None) -> DaemonClient:
        """Return a client with the tokens of a configuration. Raises ValueError where the address is none or not known."""
        secrets = None if loaded is None else loaded.secrets
        if url is None:
            if loaded is None or not loaded.config.server.port:
                raise ValueError("the configuration names no port: use --url")
            url = address_of(loaded.config.server)
        _check(url)
        return cls(
            url=url.rstrip("/").removesuffix("/metrics.json"),  # which CodeRouter's own `stats` was given
            client_token=secrets.client_tokens[0] if secrets is not None and secrets.client_tokens else None,
            admin_token=None if secrets is None else secrets.admin_token,
            metrics_token=None if secrets is None else secrets.metrics_token,
        )

    def ask(self, method: str, path: str) -> Answer:
        """Return the answer to one request. Raises DaemonUnreachableError."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        is_connected = False
        try:
            connection = kind(parts.netloc, timeout=min(CONNECT_S, self.answer_s))
            try:
                connection.connect()
                is_connected = True
                connection.sock.settimeout(self.answer_s)
                connection.request(
                    method, parts.path + path, body=b"{}" if method == "POST" else None, headers=self._headers(path)
                )
                response = connection.getresponse()
                body = orjson.loads(response.read())
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            if is_connected and isinstance(error, TimeoutError):
                raise DaemonUnreachableError(f"the router at {self.url} does not answer within {self.answer_s:g} s") from error
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise DaemonUnreachableError(
                f"no router answers at {self.url}: {reason} (use --config FILE or --url for another one)"
            ) from error
        except orjson.JSONDecodeError as error:
            raise self._no_router() from error
        answer = Answer(status=response.status, body=body if isinstance(body, dict) else {})
        if not _is_of_a_router(answer, path):
            raise self._no_router()
        return answer

    def _no_router(self) -> DaemonUnreachableError:
        return DaemonUnreachableError(
            f"what answers at {self.url} is not a Nursery Router (use --config FILE or --url for another one)"
        )

    def _headers(self, path: str) -> dict[str, str]:
        token = self._token_for(path) or self.client_token
        headers = {"content-type": "application/json", "connection": "close"}
        return headers if token is None else {**headers, "authorization": f"Bearer {token.reveal()}"}

    def _token_for(self, path: str) -> Secret | None:
        """Return the token that a page asks for beside the clients', None without one."""
        if path.startswith("/admin/") and path not in _LOOKS:
            return self.admin_token
        return (self.metrics_token or self.admin_token) if path.startswith(_LOOKS) else None


def _is_of_a_router(answer: Answer, path: str) -> bool:
    """Tell whether an answer is what a router says: what the page has, or why it is refused.

    A router has each page to look at; what it does not find it names with a code, as a provider or a request."""
    if not answer.is_success and answer.refusal:
        return answer.status != http.client.NOT_FOUND or (path not in _PAGES and answer.body["error"].get("code") == "not_found")
    return is_page(path, answer.body)


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in url
    except ValueError:
        is_url = False
    if not is_url:
        _, at, host = url.rpartition("@")  # a password is printed nowhere
        told = f"an address with a user name before {host!r}" if at else repr(url)
        raise ValueError(f"{told} is not a base URL such as http://127.0.0.1:8088")
