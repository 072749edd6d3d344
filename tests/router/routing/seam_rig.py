"""Recorded answers, cut at a byte of their stream and continued by a scripted provider: decoder, seam, encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from random import Random

from attrs import define, field, frozen

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
)
from router.domain.messages import Message, Role, Text
from router.domain.request import DialectName, NeutralRequest
from router.errors import FailureReason, ProviderFailed, StreamBroken
from router.routing.continuation import AfterBreak, Said, after_break, prefilled
from router.routing.continued import Continued
from router.routing.echo import MIN_ECHO, is_run
from router.routing.seam import Seam
from router.wire.dialect import EventEncoder, ReplyOptions
from router.wire.prefill import CHAT_STYLES
from router.wire.registry import DIALECTS
from router.wire.sse import SseFramer
from tests.router.wire.drive import ANTHROPIC, CHAT, assert_grammatical, client_events, minting

ANSWERS = {path.stem: path.read_text("utf-8").rstrip() for path in sorted((Path(__file__).parent / "answers").glob("*.txt"))}
CALLS = {"with_call": ('{"file_path":"router/cli.py"}', '{"file_path":"tests/router/test_cli.py"}')}
ASKED = NeutralRequest(dialect=CHAT, messages=(Message(role=Role.USER, content=(Text("Go on."),)),), stream=True)
OPTIONS = ReplyOptions(model="m", provider="first")
USED = Usage(output=9, estimated=True)

IDENTICAL, DIFFERENT, TOOL_USE, FAILED = "identical", "different", "finished as tool use", "failed"


class CutKind(StrEnum):
    """Where the first provider's stream is cut."""

    WORD = "inside a word"
    BYTE = "inside a character's bytes"
    FENCE = "inside the mark of a code fence"
    EMOJI = "beside an emoji"
    SPACE = "behind white space"
    CALL = "behind the text, where the calls are"
    ANYWHERE = "anywhere"


class Script(StrEnum):
    """What the next provider says to the begun answer that it is sent."""

    REST = "the exact rest"
    ECHO = "the begun answer again, then the rest"
    LAST_WORDS = "the sentence or line that was begun last again, then the rest"
    BLANKS = "the rest, with a blank before its first line end"
    OMITS = "the rest without the white space that was held out"


_BYTES = (CutKind.CALL, CutKind.ANYWHERE)  # drawn over the bytes of the stream, the others over the text


@frozen(kw_only=True)
class Cut:
    """What arrived of one answer: the bytes of a stream of the dialect `source`."""

    name: str
    source: DialectName
    body: bytes


@frozen(kw_only=True)
class Result:
    """How an answer ended for its client, and why where it failed."""

    outcome: str
    reason: str = ""


def draw_cut(kind: CutKind, rng: Random) -> Cut:
    """Return a cut of one of the answers, of this kind."""
    name = rng.choice([name for name in (CALLS if kind is CutKind.CALL else ANSWERS) if kind in _BYTES or places(name, kind)])
    source = rng.choice((CHAT, ANTHROPIC))
    text = ANSWERS[name]
    at = rng.randrange(1, len(text)) if kind in _BYTES else rng.choice(places(name, kind))
    before, behind = in_pieces(text[:at], rng), in_pieces(text[at:], rng)
    frames = record([*before, *behind], CALLS.get(name, ()), source)
    if kind in _BYTES:
        # the first text has arrived: before it, another provider would begin the answer
        first = 2 if kind is CutKind.ANYWHERE else 1 + len(before) + len(behind)
        body = b"".join(frames)
        return Cut(name=name, source=source, body=body[: rng.randrange(len(b"".join(frames[:first])), len(body))])
    passed = 1 + len(before)
    return Cut(name=name, source=source, body=b"".join(frames[:passed]) + begun_frame(frames[passed], kind, rng))


def places(name: str, kind: CutKind) -> list[int]:
    """Return where the text can be cut so: between the characters `i - 1` and `i`."""
    holds: dict[CutKind, Callable[[str, str], bool]] = {
        CutKind.WORD: lambda left, right: left.isalnum() and right.isalnum() and right.isascii(),
        CutKind.BYTE: lambda left, right: not right.isascii() and bool(left),
        CutKind.FENCE: lambda left, right: left == right == "`",
        CutKind.EMOJI: lambda left, right: max(left, right) > "\uffff",
        CutKind.SPACE: lambda left, right: left.isspace() and bool(right),
    }
    return [at for at, (left, right) in enumerate(pairwise(ANSWERS[name]), 1) if holds[kind](left, right)]


def begun_frame(frame: bytes, kind: CutKind, rng: Random) -> bytes:
    """Return the beginning of a frame of which the rest never came."""
    inside = [at for at, byte in enumerate(frame) if 0x80 <= byte < 0xC0]
    return frame[: rng.choice(inside) if kind is CutKind.BYTE else rng.randrange(len(frame) // 2)]


def in_pieces(text: str, rng: Random) -> list[str]:
    """Return the text in fragments of any length, as a model's tokens come."""
    pieces: list[str] = []
    while text:
        size = rng.randrange(2, 16)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def record(pieces: Iterable[str], calls: Sequence[str], dialect: DialectName) -> list[bytes]:
    """Return the frames of a whole answer in this dialect, event by event."""
    events: list[NeutralEvent] = [Started(id="1", model="m", created=7), *map(TextDelta, pieces)]
    for slot, arguments in enumerate(calls):
        parts = (arguments[:12], arguments[12:])
        events += [ToolStarted(slot=slot, id=f"t{slot}", name="Read"), *(ToolDelta(slot, part) for part in parts), ToolDone(slot)]
    reason = StopReason.TOOL_USE if calls else StopReason.END
    encoder = DIALECTS[dialect].encoder(OPTIONS, minting())
    return [encoder.encode(event) for event in (*events, UsageSeen(Usage(input=5, output=7)), Stopped(reason=reason))]


def go_on(cut: Cut, script: Script, rng: Random) -> Result | None:
    """Return how the cut answer ends; None where nobody is asked to go on so, or where it would be the exact rest."""
    target = rng.choice((CHAT, ANTHROPIC))
    client = _Client(encoder=DIALECTS[target].encoder(OPTIONS, minting()))
    if client.read(cut.body, cut.source):  # nothing was missing
        return client.result(cut.name, target) if script is Script.REST else None
    made = after_break(client.said)
    if made is not AfterBreak.CONTINUE:
        return client.ended(made, target) if script is Script.REST else None
    prefill = prefilled(ASKED, client.said.text, rng.choice(list(CHAT_STYLES.values())))
    assert prefill is not None
    words = spoken(script, ANSWERS[cut.name], client.said.text, prefill.sent, prefill.held)
    if words is None:
        return None
    client.stage = Continued(seam=Seam(sent=prefill.sent, held=prefill.held), provider="next", used=USED)
    source = rng.choice((CHAT, ANTHROPIC))
    if client.read(b"".join(record(in_pieces(words, rng), CALLS.get(cut.name, ()), source)), source):
        return client.result(cut.name, target)
    return client.failed(client.error, target)


def spoken(script: Script, text: str, said: str, sent: str, held: str) -> str | None:
    """Return the next provider's words, None where they are the exact rest of what it was sent, whatever the script."""
    rest = text[len(said) - len(held) :]
    match script:
        case Script.ECHO:
            return sent + rest if sent else None
        case Script.LAST_WORDS:
            words = last_words(sent)
            return words + rest if len(words) >= MIN_ECHO and not is_run(words) else None
        case Script.BLANKS:
            return " " + rest if held.startswith("\n") and sent else None
        case Script.OMITS:
            # in the middle of white space nobody can tell it from another amount of it
            return text[len(said) :] if held and sent and not text[len(said) :][:1].isspace() else None
    return rest


def last_words(sent: str) -> str:
    """Return the sentence or line that was begun last."""
    ends = [sent.rfind(sign) + len(sign) for sign in ("\n", ". ", "。") if sign in sent]
    return sent[max(ends, default=0) :].lstrip()


@define(kw_only=True)
class _Client:
    """One client's stream."""

    encoder: EventEncoder
    stage: Continued | None = None
    said: Said = field(factory=Said)
    out: list[bytes] = field(factory=list)
    error: str = ""

    def read(self, body: bytes, source: DialectName) -> bool:
        """Pass an upstream's stream on; tell whether it came to its end."""
        decoder, framer = DIALECTS[source].decoder(OPTIONS, minting()), SseFramer()
        try:
            for frame in (*framer.feed(body), *framer.close()):
                self._pass(decoder.feed(frame))
            self._pass(decoder.close())
        except ProviderFailed as failure:
            self.error = failure.message
            return False
        return True

    def _pass(self, events: Iterable[NeutralEvent]) -> None:
        for event in events:
            for staged in (event,) if self.stage is None else self.stage.feed(event):
                self.take(staged)

    def take(self, event: NeutralEvent) -> None:
        self.said.take(event)
        self.out.append(self.encoder.encode(event))

    def ended(self, made: AfterBreak, target: DialectName) -> Result:
        """End an answer that nobody goes on with."""
        if made is not AfterBreak.FINISH_AS_TOOL_USE:
            return self.failed("a call was open" if self.said.has_open_call else "nothing was said", target)
        self.take(Stopped(reason=StopReason.TOOL_USE))
        assert_grammatical(b"".join(self.out), target)
        return Result(outcome=TOOL_USE)

    def failed(self, reason: str, target: DialectName) -> Result:
        error = StreamBroken(provider="first", reason=FailureReason.STREAM_TRUNCATED, message=reason)
        assert_grammatical(b"".join((*self.out, self.encoder.failed(error))), target)
        return Result(outcome=FAILED, reason=reason)

    def result(self, name: str, target: DialectName) -> Result:
        """Compare what the client has read with the answer as it was recorded."""
        assert_grammatical(b"".join(self.out), target)
        told = texts_and_calls(b"".join(self.out), target)
        is_same = told == (ANSWERS[name], list(CALLS.get(name, ())))
        return Result(outcome=IDENTICAL if is_same else DIFFERENT)


def texts_and_calls(out: bytes, dialect: DialectName) -> tuple[str, list[str]]:
    """Return what a client reads: the text, and the arguments of each call."""
    text, calls = "", list[str]()
    for event in client_events(out):
        if event == "[DONE]":
            continue
        if dialect is ANTHROPIC:
            delta = event.get("delta") or {}
            text += delta.get("text", "")
            calls += [""] * (event.get("content_block", {}).get("type") == "tool_use")
            if "partial_json" in delta:
                calls[-1] += delta["partial_json"]
            continue
        for choice in event["choices"]:
            text += choice["delta"].get("content") or ""
            for call in choice["delta"].get("tool_calls", ()):
                calls += [""] * (call["index"] == len(calls))
                calls[-1] += call["function"]["arguments"]
    return text, calls
