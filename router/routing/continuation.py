"""What becomes of an answer that broke in the middle, and how the next provider is asked to go on with it (R-15, R-74).

A stream that holds a whole tool call is finished as tool use: the client runs it, and nothing is lost. Text goes on at
another provider that takes a begun answer. Inside a call's JSON and inside reasoning nobody can go on."""

from __future__ import annotations

from enum import StrEnum

from attrs import define, evolve, field, frozen

from router.config.schema import ProviderConfig
from router.domain.events import (
    NeutralEvent,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
)
from router.domain.messages import Message, Role, Text, ToolUse
from router.domain.request import NeutralRequest, ThinkingMode
from router.routing.echo import is_run
from router.wire.json_text import parse_object
from router.wire.prefill import CHAT_STYLES, MESSAGES, PrefillStyle


class AfterBreak(StrEnum):
    """The most that can be made of a broken answer; SURFACE is possible wherever CONTINUE is."""

    FINISH_AS_TOOL_USE = "finish-as-tool-use"
    CONTINUE = "continue"
    SURFACE = "surface"
    FAIL = "fail"


@define
class Said:
    """Follows the neutral events that went to the client; one per answer."""

    has_whole_call: bool = False
    has_broken_call: bool = False  # over, but its arguments are no JSON object
    has_open_call: bool = False
    has_open_thinking: bool = False
    _texts: list[list[str]] = field(factory=list)  # the pieces of each text block
    _arguments: list[str] = field(factory=list)  # of the open call
    _is_in_text: bool = False

    @property
    def has_text(self) -> bool:
        """Tell whether there is any text."""
        return bool(self._texts)

    @property
    def texts(self) -> tuple[str, ...]:
        """The text blocks, whole ones and the open one."""
        return tuple(map("".join, self._texts))

    @property
    def text(self) -> str:
        """The last text block, "" where there is none."""
        return "".join(self._texts[-1]) if self._texts else ""

    def take(self, event: NeutralEvent) -> None:
        """Follow one event."""
        match event:
            case TextDelta(text):
                if not self._is_in_text:
                    self._texts.append([])
                self._texts[-1].append(text)
                self._is_in_text, self.has_open_thinking = True, False
            case ToolDelta(_, json_text):
                self._arguments.append(json_text)
            case ThinkingDelta():
                self._is_in_text, self.has_open_thinking = False, True
            case ThinkingSigned() | ThinkingRedacted():
                self._is_in_text, self.has_open_thinking = False, False
            case ToolStarted():
                self._is_in_text, self.has_open_thinking = False, False
                self.has_open_call = True
            case ToolDone():
                self._end_call()

    def _end_call(self) -> None:
        is_object = parse_object("".join(self._arguments).encode("utf-8", "replace")) is not None
        self._arguments.clear()
        self.has_open_call = False
        self.has_whole_call |= is_object
        self.has_broken_call |= not is_object


def after_break(said: Said) -> AfterBreak:
    """Return the most that can be made of an answer that broke after these events."""
    if said.has_open_call or said.has_broken_call:
        return AfterBreak.FAIL  # a client would run half a call, or wait for it
    if said.has_whole_call:
        # reasoning without its signature, in a turn that the client sends back with results, is refused by its vendor
        return AfterBreak.FAIL if said.has_open_thinking else AfterBreak.FINISH_AS_TOOL_USE
    if not said.has_text:
        return AfterBreak.FAIL
    # with reasoning between the texts of an answer, no begun answer says what the client has
    is_one_text = len(said.texts) == 1 and not said.has_open_thinking
    return AfterBreak.CONTINUE if is_one_text else AfterBreak.SURFACE


@frozen(kw_only=True)
class Prefill:
    """How the next provider is asked: `sent` is the begun answer at the end of `request`, `held` what the client has beyond."""

    request: NeutralRequest
    sent: str
    held: str


def prefill_style(config: ProviderConfig) -> PrefillStyle | None:
    """Return how this provider is asked to go on with a begun answer, None where it is not known to do that.

    It must be declared (`prefill = true`): a server that does not go on begins a second answer, which cannot be seen
    before it has said something, and newer Claude models refuse the request."""
    if not config.prefill:
        return None
    match config.kind:
        case "anthropic":
            return MESSAGES
        case "openai_compat":
            return CHAT_STYLES[config.prefill_style]
        case _:
            return None


def prefilled(request: NeutralRequest, text: str, style: PrefillStyle, *, said_tokens: int = 0) -> Prefill | None:
    """Return the request that lets a provider go on behind `text`, None where no begun answer can say it.

    An answer to a JSON schema cannot go on: the server's grammar begins it anew. `said_tokens` are taken off the limit.
    A beginning that only repeats one piece (half a code fence, a rule) is not sent, since its echo could not be told
    from its going on: all of it is `held`, and the provider has to begin with it."""
    if request.output_schema is not None or "response_format" in request.extras:
        return None
    messages = request.messages
    begun = _begun_text(request)
    if begun is None:
        return None
    rest = _limited(request, said_tokens)
    sent = style.sendable(text)
    if is_run(sent.strip()):
        return Prefill(request=rest, sent=begun, held=text)
    is_said_again = text.startswith(begun.strip())  # by a provider that was asked for it in words
    answer = sent if is_said_again else begun + sent
    if _ends_in_answer(request):
        last = messages[-1]
        messages = (*messages[:-1], evolve(last, content=(*last.content[:-1], Text(answer))))
    else:
        messages = (*messages, Message(role=Role.ASSISTANT, content=(Text(answer),)))
    return Prefill(request=evolve(rest, messages=messages), sent=answer, held=text[len(sent) :])


def _ends_in_answer(request: NeutralRequest) -> bool:
    return bool(request.messages) and request.messages[-1].role is Role.ASSISTANT


def _begun_text(request: NeutralRequest) -> str | None:
    """Return the text that the client itself has begun the answer with, "" for none; None behind a call without result."""
    if not _ends_in_answer(request):
        return ""
    content = request.messages[-1].content
    if not content or any(isinstance(block, ToolUse) for block in content):
        return None
    return content[-1].text if isinstance(content[-1], Text) else None


def _limited(request: NeutralRequest, said_tokens: int) -> NeutralRequest:
    """Return the request for the rest alone: without what was said, and without reasoning, which is over."""
    if request.max_tokens is not None:
        request = evolve(request, max_tokens=max(1, request.max_tokens - said_tokens))
    if request.thinking is not None or request.reasoning_effort is not None:
        request = evolve(request, thinking=ThinkingMode.DISABLED, thinking_budget=None, reasoning_effort=None)
    return request
