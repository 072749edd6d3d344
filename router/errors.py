"""Everything that can go wrong with a request, as one family of exceptions.

    RouterError
    ├─ ConfigError            the configuration cannot be used (exit 78)
    │  └─ UnsafeFile          nor may it be looked into for anything
    ├─ InvalidRequest         the client's request; `param` names the field
    │  ├─ InvalidJson  UnknownProfile  UnknownMode  ContextOverflow
    ├─ Refused                the front says no before the body counts
    │  ├─ Unauthorized  HostNotAllowed  NotFound  MethodNotAllowed
    │  ├─ BodyTooLarge  UnsupportedMediaType  OverCapacity  QueueFull  ShuttingDown
    │  └─ CancelledByOperator  LoopDetected
    ├─ GuardRejected          a guard stops the request: tool loop, tool count
    ├─ NoProviderAvailable    the chain is empty or every attempt failed
    ├─ UpstreamClientError    an upstream's 4xx that is the client's own fault
    ├─ ProviderFailed         one attempt at one provider; never leaves the chain before commit
    ├─ StreamBroken           after commit: the answer cannot be completed
    ├─ StateFailed            the state directory cannot be used now: memory only
    │  └─ StateTooNew
    └─ StateLocked            another instance has the state directory (exit 75)

A leaf knows no HTTP status and no JSON: `router/wire/errors.py` renders it per
dialect from `kind` (fixtures/wire/errors/render.json).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from attrs import define, field, frozen


class ErrorKind(StrEnum):
    """One member per row of the error table of wire.md 17.2, plus the two of a stream."""

    INVALID_JSON = "invalid_json"
    INVALID_REQUEST = "invalid_request"
    UNKNOWN_PROFILE = "unknown_profile"
    UNKNOWN_MODE = "unknown_mode"
    UNAUTHORIZED = "unauthorized"
    HOST_NOT_ALLOWED = "host_not_allowed"
    PAID_GATE = "paid_gate"
    NOT_CONFIGURED = "not_configured"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    CONTEXT_OVERFLOW = "context_overflow"
    TOOL_LOOP = "tool_loop"
    TOOL_COUNT = "tool_count"
    BUDGET_EXHAUSTED = "budget_exhausted"
    RATE_LIMITED = "rate_limited"
    ALL_FAILED = "all_failed"
    ALL_EXCLUDED = "all_excluded"
    ALL_OVERLOADED = "all_overloaded"
    TIMEOUT = "timeout"
    OVER_CAPACITY = "over_capacity"
    SHUTTING_DOWN = "shutting_down"
    CANCELLED_BY_OPERATOR = "cancelled_by_operator"
    LOOP_DETECTED = "loop_detected"
    INTERNAL = "internal"
    UPSTREAM_CLIENT = "upstream_client"
    MIDSTREAM = "midstream"


class FailureReason(StrEnum):
    """Why one attempt did not answer: one vocabulary for routing, logs, headers and health.

    Source: routing.md 11.2, supervision.md 21.8."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    TTFT_TIMEOUT = "ttft-timeout"
    SLOW_THROUGHPUT = "slow-throughput"
    UPSTREAM_5XX = "upstream-5xx"
    BAD_RESPONSE = "bad-response"
    EMPTY_STREAM = "empty-stream"
    STREAM_TRUNCATED = "stream-truncated"
    RATE_LIMIT = "rate-limit"
    OVERLOADED = "overloaded"
    AUTH = "auth"
    PAYMENT_REQUIRED = "payment-required"
    OUT_OF_MEMORY = "out-of-memory"
    LOADING = "loading"
    CONTEXT_OVERFLOW = "context-overflow"
    TOO_LARGE = "too-large"
    UNSUPPORTED_PARAMETER = "unsupported-parameter"
    MODEL_MISSING = "model-missing"
    MODEL_LOAD_FAILED = "model-load-failed"
    REDIRECT = "redirect"
    EMPTY_RESPONSE = "empty-response"
    CLIENT_ERROR = "client-error"
    LOOP_DETECTED = "loop-detected"
    BUSY = "busy"
    BUDGET = "budget"
    CANCELLED = "cancelled"


class RouterError(Exception):
    """Base of the family; `kind` decides what a client sees."""

    kind: ErrorKind = ErrorKind.INTERNAL


@frozen(kw_only=True)
class Mistake:
    """One mistake of a configuration: TOML key path, what is wrong, line (1-based) where known."""

    path: str
    message: str
    line: int | None = None


@define(kw_only=True, slots=False)
class ConfigError(RouterError):
    """The configuration cannot be used; every mistake at once (routing.md 2.3)."""

    source: str
    mistakes: tuple[Mistake, ...]


@define(kw_only=True, slots=False)
class UnsafeFile(ConfigError):
    """Others may write a file of keys or a configuration that names programs: nothing that it says is acted upon."""


@define(kw_only=True, slots=False)
class InvalidRequest(RouterError):
    """The client's request has a field that cannot be read; `param` is its JSON path, such as `messages[0].role`.

    `code` is the word that its own API has for this mistake, where clients look for it."""

    kind = ErrorKind.INVALID_REQUEST
    message: str
    param: str | None = None
    code: str | None = None

    @property
    def line(self) -> str:
        """What is wrong in one line, behind the field that it is about."""
        return self.message if self.param is None else f"{self.param}: {self.message}"


@define(kw_only=True, slots=False)
class InvalidJson(InvalidRequest):
    """The body is not a JSON object."""

    kind = ErrorKind.INVALID_JSON


@define(kw_only=True, slots=False)
class UnknownProfile(InvalidRequest):
    """The request names a profile that the configuration does not have."""

    kind = ErrorKind.UNKNOWN_PROFILE
    param: str | None = "profile"


@define(kw_only=True, slots=False)
class UnknownMode(InvalidRequest):
    """The request names a mode that no alias maps."""

    kind = ErrorKind.UNKNOWN_MODE


@define(kw_only=True, slots=False)
class ContextOverflow(InvalidRequest):
    """The prompt fits into no provider of the chain; the message starts `prompt is too long`."""

    kind = ErrorKind.CONTEXT_OVERFLOW
    param: str | None = "messages"


@define(kw_only=True, slots=False)
class Refused(RouterError):
    """The front refuses before any provider is asked."""

    message: str


@define(kw_only=True, slots=False)
class Unauthorized(Refused):
    """No client token, or a wrong one."""

    kind = ErrorKind.UNAUTHORIZED


@define(kw_only=True, slots=False)
class HostNotAllowed(Refused):
    """The Host header is not on the allow list (DNS rebinding), or another site's page has sent an action."""

    kind = ErrorKind.HOST_NOT_ALLOWED


@define(kw_only=True, slots=False)
class NotFound(Refused):
    """No such route, or no such model."""

    kind = ErrorKind.NOT_FOUND


@define(kw_only=True, slots=False)
class MethodNotAllowed(Refused):
    """The route exists for other methods; `allow` lists them for the Allow header."""

    kind = ErrorKind.METHOD_NOT_ALLOWED
    allow: tuple[str, ...]


@define(kw_only=True, slots=False)
class BodyTooLarge(Refused):
    """More decoded bytes than `[server].max_body_bytes`."""

    kind = ErrorKind.TOO_LARGE


@define(kw_only=True, slots=False)
class UnsupportedMediaType(Refused):
    """Content-Type or Content-Encoding that is not read."""

    kind = ErrorKind.UNSUPPORTED_MEDIA_TYPE


@define(kw_only=True, slots=False)
class OverCapacity(Refused):
    """`[server].max_in_flight` requests are being answered already."""

    kind = ErrorKind.OVER_CAPACITY
    retry_after_s: float = 1.0


@define(kw_only=True, slots=False)
class QueueFull(Refused):
    """No place in time, or too many wait.

    `kind` is RATE_LIMITED where the session is at its own limit, ALL_OVERLOADED where the daemon is."""

    kind: ErrorKind
    retry_after_s: float


@define(kw_only=True, slots=False)
class ShuttingDown(Refused):
    """The daemon drains; clients come back in `retry_after_s` seconds."""

    kind = ErrorKind.SHUTTING_DOWN
    retry_after_s: float = 5.0


@define(kw_only=True, slots=False)
class CancelledByOperator(Refused):
    """An operator has ended the request: nobody has failed, and the same request is not to come back by itself."""

    kind = ErrorKind.CANCELLED_BY_OPERATOR


@define(kw_only=True, slots=False)
class LoopDetected(Refused):
    """The request goes in a circle: this very router has sent it, or it names more routers than stand in a row."""

    kind = ErrorKind.LOOP_DETECTED


@define(kw_only=True, slots=False)
class GuardRejected(RouterError):
    """A guard stops the request: `kind` is TOOL_LOOP or TOOL_COUNT.

    `details` are the guard's numbers and names, told to the client under the kind's own word (wire.md 17.2)."""

    kind: ErrorKind
    message: str
    details: Mapping[str, str | int]


@define(kw_only=True, slots=False)
class ProviderFailed(RouterError):
    """One attempt at one provider failed.

    `status` is the upstream's, None without an answer. `message` is the
    upstream's own text, at most 500 characters, secrets removed. `body` holds
    the whole error body (at most 8 KiB) for a hand-through. `retry_after_s` is
    the stated reset. `transient` is False where the same request would fail again. `headers` are the upstream's,
    lower-case names in its order, for those that a client may read."""

    provider: str
    reason: FailureReason
    message: str = ""
    status: int | None = None
    retry_after_s: float | None = None
    transient: bool = True
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)


@frozen(kw_only=True)
class LeftOut:
    """A provider of an empty chain: why it is not asked, since when (unix seconds), and in how many seconds it may be again."""

    provider: str
    reason: str
    since_wall: float | None = None
    next_probe_in_s: float | None = None


@define(kw_only=True, slots=False)
class NoProviderAvailable(RouterError):
    """Nobody answered; `kind` says why (routing.md 11.7).

    It is one of PAID_GATE, NOT_CONFIGURED, BUDGET_EXHAUSTED, RATE_LIMITED, ALL_FAILED, ALL_EXCLUDED, ALL_OVERLOADED, TIMEOUT.
    `permanent` is True when every failure would repeat: `x-should-retry: false`. `left_out` is the chain where all of it
    rests or is excluded."""

    kind: ErrorKind
    message: str
    profile: str
    failures: tuple[ProviderFailed, ...] = ()
    retry_after_s: float | None = None
    permanent: bool = False
    left_out: tuple[LeftOut, ...] = ()


@define(kw_only=True, slots=False)
class UpstreamClientError(RouterError):
    """An upstream's 4xx that would repeat everywhere (stop rows of routing.md 11.2): status and message go to the client.

    `body` is the upstream's own body, handed through unchanged when `dialect` (its wire) is the client's."""

    kind = ErrorKind.UPSTREAM_CLIENT
    provider: str
    status: int
    message: str
    dialect: str
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"


@define(kw_only=True, slots=False)
class StreamBroken(RouterError):
    """The answer broke after commit; the stream ends in the dialect's own error event (wire.md 17.3)."""

    kind = ErrorKind.MIDSTREAM
    provider: str
    reason: FailureReason
    message: str


@define(kw_only=True, slots=False)
class StateFailed(RouterError):
    """The machine refuses the state directory or its file: disk full, read-only, no directory.

    `operation` is lock, open or write; `message` is the system's own sentence."""

    path: str
    operation: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: cannot {self.operation}: {self.message}"


@define(kw_only=True, slots=False)
class StateTooNew(StateFailed):
    """The state file was written by a newer version; asking again does not help, and the file is left as it is."""

    found: int
    known: int

    def __str__(self) -> str:
        return (
            f"{self.path} has schema {self.found}, this version reads up to {self.known}: start the newer version again,"
            " or move the file away; until then nothing is kept on disk"
        )


@define(kw_only=True, slots=False)
class StateLocked(RouterError):
    """Another instance works in the state directory; `pid` is what its lock file says, None where that is no number."""

    directory: str
    pid: int | None

    def __str__(self) -> str:
        holder = "another instance" if self.pid is None else f"another instance (pid {self.pid})"
        return f"state directory {self.directory} is in use by {holder}: stop that one, or set [server].state_dir for this one"
