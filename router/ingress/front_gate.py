"""Who may ask at all: the Host header (DNS rebinding) and the client token.

A page in a browser can make a name of its own resolve to this machine and then ask the daemon as if it were that
page's server; the Host header still carries the foreign name, so only known names pass."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import parse_qs

from attrs import field, frozen

from router.errors import HostNotAllowed, Unauthorized, UnsupportedMediaType
from router.ingress.front_cookie import LASTS_S, cookie_of, is_sealed, sealed

_LOOPBACK_NAMES = frozenset({"localhost"})
_OWN_SITES = ("same-origin", "none")  # none: typed or kept by the person, not sent by a page
_SIGNS_OF_A_PROXY = ("forwarded", "via", "x-forwarded-for", "x-real-ip")  # behind one, every peer is on loopback


@frozen(kw_only=True)
class FrontGate:
    """`hosts` are lower-case names without a port; with `any_address` every IP literal passes, too.

    `tokens` empty: everybody may ask (on loopback only; founding decision 21 is enforced with the configuration). `admin_token`
    None: operators act from this machine only. `metrics_token` is what others than this machine show for a look."""

    hosts: frozenset[str]
    any_address: bool
    tokens: tuple[bytes, ...] = field(repr=False)
    admin_token: bytes | None = field(default=None, repr=False)
    metrics_token: bytes | None = field(default=None, repr=False)
    unix_now: Callable[[], float] = float  # for the age of a cookie; 0.0: none is ever too old

    @classmethod
    def of(
        cls,
        *,
        bind_host: str,
        allowed_hosts: Iterable[str],
        tokens: Iterable[str],
        admin_token: str | None = None,
        metrics_token: str | None = None,
        unix_now: Callable[[], float] = float,
    ) -> FrontGate:
        """Build the gate. Bound to every address, the daemon answers to every address, which no rebinding name can be."""
        bind = split_host(bind_host)
        address = as_address(bind)
        return cls(
            hosts=frozenset({bind, *(split_host(host) for host in allowed_hosts)}) | _LOOPBACK_NAMES,
            any_address=address is not None and address.is_unspecified,
            tokens=tuple(token.encode() for token in tokens),
            admin_token=None if admin_token is None else admin_token.encode(),
            metrics_token=None if metrics_token is None else metrics_token.encode(),
            unix_now=unix_now,
        )

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Let known names and loopback addresses pass. Raises HostNotAllowed, also without a Host header (HTTP/1.0)."""
        host = split_host(headers.get("host", ""))
        if host in self.hosts:
            return
        address = as_address(host)
        if address is not None and (address.is_loopback or self.any_address):
            return
        raise HostNotAllowed(message="this Host is not allowed; add it to [server].allowed_hosts")

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Let a POST pass that a browser sends for a page of ours, or that no browser sends. Raises HostNotAllowed.

        A browser says of each POST whose page has sent it: in `Sec-Fetch-Site`, or over plain HTTP to another machine in
        `Origin` alone. Neither can be set by a page. Another port of the same machine is another site."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            is_own = site in _OWN_SITES
        else:  # a proxy that puts its own name into Host tells the one that the browser knows beside it
            names = {headers.get(name, "").strip().lower() for name in ("host", "x-forwarded-host")} - {""}
            is_own = origin is None or origin.strip().lower().partition("://")[2] in names
        if not is_own:
            raise HostNotAllowed(message="refused: the request comes from a page of another site")

    def check_token(self, headers: Mapping[str, str], query: str) -> None:
        """Let a request with one of the tokens pass. Raises Unauthorized."""
        if not self.tokens:
            return
        offered = [credential.encode() for credential in credentials(headers, query)]
        if not any([hmac.compare_digest(one, token) for one in offered for token in self.tokens]):  # noqa: C419 - all are compared, whichever fits
            raise Unauthorized(message="missing or wrong token for this router" if offered else "this router requires a token")

    def check_operator(self, method: str, headers: Mapping[str, str], query: str, peer: str) -> None:
        """Let an operator pass: who shows the admin token, or without one configured, who asks from this machine.

        From this machine the client token is asked for as everywhere. A POST has to say that it is JSON, which a page in a
        browser cannot do to a foreign address without being asked first. Raises Unauthorized, UnsupportedMediaType."""
        if self.admin_token is not None:
            is_shown = hmac.compare_digest(bearer_of(headers).encode(), self.admin_token)
            if not is_shown and not self._has_cookie_of(headers, (self.admin_token,)):
                raise Unauthorized(message="admin actions need the admin token, sent as a bearer token")
        elif not is_from_here(headers, peer):
            raise Unauthorized(message="admin actions are accepted from this machine only, unless admin_token_env is set")
        elif not self._has_cookie_of(headers, self.tokens):
            self.check_token(headers, query)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method == "POST" and media_type != "application/json":
            raise UnsupportedMediaType(message="admin actions require content-type: application/json")

    def check_viewer(self, headers: Mapping[str, str], query: str, peer: str) -> None:
        """Let somebody see what the daemon knows: from this machine who may ask, else who has the token for it, or the admin's.

        A cookie that was made of such a token is as good (`log_in`). Raises Unauthorized (founding decision 21)."""
        good = self._looking(headers, peer)
        offered = [credential.encode() for credential in credentials(headers, query)]
        if any([hmac.compare_digest(one, token) for one in offered for token in good]) or self._has_cookie_of(headers, good):  # noqa: C419 - same
            return
        if not is_from_here(headers, peer):
            raise Unauthorized(
                message="from another machine this page needs the metrics token (metrics_token_env) or the admin token"
            )
        self.check_token(headers, query)

    def log_in(self, offered: str, headers: Mapping[str, str], peer: str) -> str | None:
        """Return the cookie's value for a token that was typed in, None for a wrong one."""
        found = [token for token in self._looking(headers, peer) if hmac.compare_digest(offered.encode(), token)]
        return sealed(found[0], int(self.unix_now()) + LASTS_S) if found else None

    def _looking(self, headers: Mapping[str, str], peer: str) -> tuple[bytes, ...]:
        """Return the tokens with which the caller may look."""
        own = tuple(token for token in (self.admin_token, self.metrics_token) if token is not None)
        return (*own, *self.tokens) if is_from_here(headers, peer) else own

    def _has_cookie_of(self, headers: Mapping[str, str], tokens: Iterable[bytes]) -> bool:
        value = cookie_of(headers.get("cookie", ""))
        return bool(value) and any([is_sealed(value, token, self.unix_now()) for token in tokens])  # noqa: C419 - all are compared

    def check_scraper(self, headers: Mapping[str, str], peer: str) -> None:
        """Let the metrics be read: from this machine by everybody, from elsewhere with the token for it, or the admin's.

        Raises Unauthorized (founding decision 21)."""
        if is_from_here(headers, peer):
            return
        offered, good = bearer_of(headers).encode(), [token for token in (self.metrics_token, self.admin_token) if token]
        if not any([hmac.compare_digest(offered, token) for token in good]):  # noqa: C419 - all are compared, whichever fits
            raise Unauthorized(
                message="from another machine this page needs the metrics token (metrics_token_env), sent as a bearer token"
            )


def credentials(headers: Mapping[str, str], query: str) -> Iterator[str]:
    """Yield what the client offers as its credential, in each of the places where client libraries put it."""
    if bearer := bearer_of(headers):
        yield bearer
    for name in ("x-api-key", "x-goog-api-key"):
        if name in headers:
            yield headers[name]
    if "key=" in query:
        yield from parse_qs(query).get("key", ())


def bearer_of(headers: Mapping[str, str]) -> str:
    """Return the bearer token, "" without one."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else ""


def is_from_here(headers: Mapping[str, str], peer: str) -> bool:
    """Tell whether a request comes from this machine, and not through a proxy on it."""
    return is_local(peer) and not any(name in headers for name in _SIGNS_OF_A_PROXY)


def is_local(peer: str) -> bool:
    """Tell whether an address is this machine's own loopback, also where IPv6 wraps it."""
    address = as_address(peer)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address is not None and address.is_loopback


def split_host(value: str) -> str:
    """Return a Host value or bind address without port, brackets, and final dot, in lower case."""
    host = value.strip().lower()
    if host.startswith("[") and "]" in host:
        return host[1:].partition("]")[0]
    if host.count(":") == 1:
        host = host.partition(":")[0]
    return host.removesuffix(".")


def as_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host literally is, None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
