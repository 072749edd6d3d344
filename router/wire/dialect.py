"""What every dialect offers: requests, replies and streams, each both ways.

One value per dialect (`router/wire/registry.py` holds the table), so that the
handler, the adapter and the relay hold no dialect `if`. All of it is pure:
ids and time come in through `Minting`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from attrs import field, frozen

from router.domain.events import NeutralEvent, StopReason, Usage
from router.domain.frame import Frame
from router.domain.messages import ToolUse
from router.domain.request import DialectName, NeutralRequest, Note
from router.errors import FailureReason, ProviderFailed, RouterError
from router.wire.body_edits import BodyEditor


class Verdict(StrEnum):
    """What one raw frame of an upstream stream means (wire.md 21)."""

    CONTENT = "content"  # the client can act on it: text, or a tool call begins
    THINKING = "thinking"  # reasoning: content only for a client that is shown it
    TERMINAL = "terminal"  # the dialect's end: a stop reason, message_stop or [DONE]
    ERROR = "error"
    NEUTRAL = "neutral"  # opening events, pings, role-only and empty deltas, usage
    MALFORMED = "malformed"  # not the dialect's JSON


@frozen(kw_only=True)
class InbandError:
    """An error that an upstream put into its stream or its 200 body, already classified (routing.md 11.2)."""

    reason: FailureReason
    message: str
    status: int | None = None
    transient: bool = True


@frozen(kw_only=True)
class Minting:
    """Where ids and time come from: `new_id("msg_")` gives a fresh id with that prefix, `now()` Unix seconds."""

    new_id: Callable[[str], str]
    now: Callable[[], int]


@frozen(kw_only=True)
class UpstreamTarget:
    """What an encoder must know of the provider that it writes for (routing.md 5, 5.4)."""

    model: str
    vision: bool | None = None
    reasoning: str = "strip"
    reasoning_effort: bool | tuple[str, ...] = False
    effort: bool | tuple[str, ...] = False
    default_max_tokens: int = 8192
    max_output_tokens: int | None = None  # the model's own limit, where it is known
    auto_cache: bool = False
    prefill: bool = False  # it goes on with a last assistant turn
    prefill_style: str = "trailing"  # a line of prefill.CHAT_STYLES, for chat upstreams
    files: bool = False
    keep_attribution: bool = False
    forward_user: bool = False
    null_content: str = "null"
    empty_result_text: str = ""
    max_stop: int = 4
    drop_message_fields: tuple[str, ...] = ()
    call_ids: str = "any"  # a key of tool_names.CALL_IDS
    server_tools: str = "drop"
    schema_profile: str = "none"
    allow_fields: tuple[str, ...] | None = None


@frozen(kw_only=True)
class EncodedRequest:
    """An upstream body, what was lost on the way, and the tool names that had to be changed: {sent name: client's name}."""

    body: dict[str, Any]
    notes: tuple[Note, ...] = ()
    tool_names: dict[str, str] | None = None


@frozen(kw_only=True)
class ReplyOptions:
    """Facts of one attempt that shape what a client reads.

    `thinking` is what becomes of reasoning: `strip`, `pass` or `convert`, after wire.md 13's rule for clients that did
    not ask. `model` fills what an upstream leaves out. `provider` names failures and goes into the router's signature.
    `asked` is the client's own parsed body, for a dialect whose answers repeat it or depend on its tools. `is_array` asks for a
    stream in the form of one JSON array (wire.md 11)."""

    model: str
    provider: str = ""
    thinking: str = "strip"
    include_usage: bool = True
    tool_names: dict[str, str] | None = None
    asked: Mapping[str, Any] = field(factory=dict, repr=False)
    is_array: bool = False


@frozen(kw_only=True)
class Partial:
    """What a client gets to keep of an answer that broke, and why it ends before its time (`surface`, wire.md 16.2).

    `reason` is `stream_truncated` or `mid_stream_failure`; of `original_error`, the provider's own words, the client reads
    at most 200 characters. `texts` are those of its blocks. `stop` is END or LENGTH, for dialects that leave the choice."""

    provider: str
    reason: str
    original_error: str
    texts: tuple[str, ...]
    usage: Usage
    stop: StopReason = StopReason.END

    @classmethod
    def of(
        cls, failure: ProviderFailed, usage: Usage, *, texts: tuple[str, ...] = (), stop: StopReason = StopReason.END
    ) -> Partial:
        """Return what a client is told of this failure."""
        is_truncated = failure.reason is FailureReason.STREAM_TRUNCATED
        return cls(
            provider=failure.provider,
            reason="stream_truncated" if is_truncated else "mid_stream_failure",
            original_error=failure.message or str(failure.reason),
            texts=texts,
            usage=usage,
            stop=stop,
        )


class Framer(Protocol):
    """The bytes of one upstream stream, in any cut, to its frames; the `raw` of all frames joined is the stream."""

    def feed(self, chunk: bytes) -> tuple[Frame, ...]:
        """Return the frames that end in this chunk. Raises ProviderFailed(bad-response) for one that is too large."""

    def close(self) -> tuple[Frame, ...]:
        """Return what the body ended with."""


class EventDecoder(Protocol):
    """Upstream frames to neutral events, in any cut; one per stream."""

    def feed(self, frame: Frame) -> Sequence[NeutralEvent]:
        """Return the events of one frame. Raises ProviderFailed for an error frame or more than 8 malformed frames in a row."""

    def close(self) -> Sequence[NeutralEvent]:
        """Return the last events at the end of the body. Raises ProviderFailed(stream-truncated or empty-stream)."""


class EventEncoder(Protocol):
    """Neutral events to the client's bytes; one per stream."""

    @property
    def follow(self) -> Callable[[Frame], None] | None:
        """Sees an upstream's own frames that pass as they are, for an end that has to fit them; None: any fits."""

    @property
    def reframe(self) -> Callable[[Frame], bytes] | None:
        """Gives an upstream's own frame the form that the client reads, `closing` ends them; None: they pass as they are."""

    closing: bytes

    def encode(self, event: NeutralEvent) -> bytes:
        """Return the whole SSE frames for one event, b"" for none."""

    def failed(self, error: RouterError) -> bytes:
        """Return the dialect's error frames: nothing follows (wire.md 17.3). Valid before the first event, too."""

    @property
    def can_cut(self) -> bool:
        """Tell whether `cut` is possible now: the answer has begun, has no end yet, and no tool call is open."""

    def cut(self, partial: Partial) -> bytes:
        """Return the frames that end a broken answer as one that the client keeps: nothing follows (wire.md 16.2)."""

    def progress(self) -> bytes:
        """Return an event that says that the answer goes on, for a client that counts events and no comments; b"" for none."""


class FrameReader(Protocol):
    """Verdicts over the raw frames of one stream; one per attempt (keeps what spans frames)."""

    has_ended: bool
    """A stop reason or the dialect's end was seen, also on a frame with content: the end of the body is no truncation."""

    stop: StopReason | None
    """Why the model stopped, None as long as it has not said so."""

    def verdict(self, frame: Frame) -> Verdict:
        """Return what the frame means; CONTENT wins over TERMINAL where one frame is both."""

    def is_last(self, frame: Frame) -> bool:
        """Tell whether the frame ends the stream for good (`message_stop`, `[DONE]`); what follows is not read."""

    def error(self, frame: Frame) -> InbandError:
        """Return the classified error of a frame whose verdict was ERROR."""

    def chars(self, frame: Frame) -> int:
        """Return how many characters of content the frame brings: text, reasoning, arguments."""

    def usage(self, frame: Frame) -> Usage | None:
        """Return the usage that the frame carries (cumulative, the last one wins), None for most frames."""


class Dialect(Protocol):
    """One public API, both sides."""

    name: DialectName

    def decode_request(self, body: dict[str, Any]) -> NeutralRequest:
        """Read a client's body. Raises InvalidRequest with the path of the first mistake."""

    def check_request(self, body: dict[str, Any]) -> None:
        """Raise InvalidRequest for a body that is relayed as it is and that no upstream could read."""

    def recent_calls(self, body: dict[str, Any]) -> Iterator[ToolUse]:
        """Yield the calls of the history since the last human turn, the newest first. Any shape is read; never raises."""

    def encode_request(self, request: NeutralRequest, target: UpstreamTarget) -> EncodedRequest:
        """Write an upstream's body. Raises InvalidRequest where the target cannot say it at all."""

    def decode_reply(self, body: dict[str, Any], options: ReplyOptions, minting: Minting) -> Sequence[NeutralEvent]:
        """Read a whole upstream reply as events. Raises ProviderFailed (bad-response, or the class of its error object)."""

    def encode_reply(self, events: Sequence[NeutralEvent], options: ReplyOptions, minting: Minting) -> dict[str, Any]:
        """Write the whole reply for a client from the events of one answer."""

    def decoder(self, options: ReplyOptions, minting: Minting) -> EventDecoder:
        """Return a fresh decoder for one upstream stream."""

    def encoder(self, options: ReplyOptions, minting: Minting) -> EventEncoder:
        """Return a fresh encoder for one client stream."""

    def frame_reader(self) -> FrameReader:
        """Return a fresh reader for one attempt."""

    def reply_verdict(self, body: dict[str, Any]) -> Verdict | InbandError:
        """Judge a whole 200 reply: CONTENT, NEUTRAL (content-empty), MALFORMED (wrong shape), or the error it holds."""

    def reply_stop(self, body: dict[str, Any]) -> StopReason | None:
        """Return why the model of a whole reply stopped, None where it does not say."""

    def reply_usage(self, body: dict[str, Any]) -> Usage | None:
        """Return the usage that a whole reply tells, None where it tells none."""

    last_frame: bytes
    """What ends every complete stream and an upstream may forget: `message_stop`, `[DONE]`; b"" for none."""

    is_commented: bool
    """Its streams are server-sent events whose readers skip comments."""

    def summed_up(self, last: bytes, summary: bytes) -> bytes:
        """Return the last bytes of a stream with the router's summary, a JSON object in one line; as they are without a place."""

    is_plain: bool
    """Its bodies are read as they are by whoever looks into `messages`, `tools` and `system`; others by way of chat's."""

    conversation: str
    """The field of its bodies that holds what was said."""

    streams_unasked: bool
    """A client that says nothing of `stream` wants one."""

    def framer(self, provider: str = "") -> Framer:
        """Return a fresh framer for the bytes of one stream; `provider` names it in failures."""

    def stream_type(self, options: ReplyOptions) -> str:
        """Return the content type of a client's stream."""

    def keepalive(self, *, started: bool) -> bytes:
        """Return the keep-alive frame before or after the first event, b"" for a dialect that has none (wire.md 18)."""

    def tells_in_stream(self, error: RouterError) -> bool:
        """Tell whether a client that asked for a stream must read this error in one, with status 200 (wire.md 10.2)."""

    def finish_body(self, body: BodyEditor, *, model: str, stream: bool) -> None:
        """Make the edits that every upstream body gets: the provider's model, whether it streams, what we ask for besides."""

    def append_system(self, body: BodyEditor, text: str) -> None:
        """Add an instruction behind the client's own, whose cache marks stay where they are."""

    def probe_body(self, model: str, *, stream: bool) -> dict[str, Any]:
        """Return the smallest request: one token (supervision.md 21.7)."""

    def counted_request(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request that a body is about which asks for a count; itself in most dialects."""

    def count_reply(self, tokens: int) -> dict[str, Any]:
        """Return the answer to a request that asks how many tokens its prompt has."""
