"""What is asked of a provider: the requests of the seven probes, small where the answer may be small (supervision.md 19.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import field, frozen

from router.doctor.leaks import filters_for
from router.domain.messages import Message, Role, Text, Tool
from router.domain.request import DialectName, NeutralRequest

CANARY = "marzipan-4417"
TOOL = Tool(
    name="report_status",
    description="Report the status word of the machine.",
    schema={
        "type": "object",
        "properties": {"word": {"type": "string", "description": "the status word"}},
        "required": ["word"],
    },
)
ECHO_TOKENS, SHORT_TOKENS, CACHE_TOKENS = 16, 128, 32
CALL_TOKENS, CALL_TOKENS_THINKING = 256, 1024  # a model that thinks spends most of them before it answers
COUNT_TOKENS, COUNT_TOKENS_THINKING = 512, 1024
WHOLE_CALL_TOKENS = 128  # a call comes at once or not at all
THINKING_BUDGET = 1024  # the least that Anthropic takes
ENOUGH_CHARS = 40  # of an answer that counts to thirty: below it, it was cut off

_LINES = 420  # of about 12 tokens: 5000 tokens
_FILLER = "\n".join(f"Line {number}: the harbour is calm and the lamp is lit." for number in range(_LINES))


@frozen(kw_only=True)
class Question:
    """One request. `is_enough` tells of the text so far, and of whether a call is whole, that no more has to be read.

    `body` is sent as it is, in the provider's own dialect, where the neutral request has no word for what is asked."""

    neutral: NeutralRequest | None = None
    body: Mapping[str, object] | None = None
    stream: bool = True
    is_enough: Callable[[str, bool], bool] = field(default=lambda _text, _has_call: False)


def echo(*, stream: bool) -> Question:
    """Ask for one word."""
    return _said("Answer with one word: ready", ECHO_TOKENS, stream=stream)


def canary(*, thinks: bool, is_exact: bool) -> Question:
    """Ask for the word that stands in front of 5000 tokens: a prompt that is cut loses its head first."""
    text = f"The code word is {CANARY}. Remember it.\n\n{_FILLER}\n\nAnswer with the code word from the very first line."
    tokens = CALL_TOKENS_THINKING if thinks else CALL_TOKENS
    return _said(text, tokens, is_exact=is_exact, is_enough=lambda said, _: CANARY in said)


def tool_call(*, thinks: bool, is_exact: bool, stream: bool = True) -> Question:
    """Ask for a call of the one tool."""
    tokens = CALL_TOKENS_THINKING if thinks else CALL_TOKENS if stream else WHOLE_CALL_TOKENS
    text = "Report the status word `ready` with the tool report_status. Call the tool, do not answer in text."
    return _said(text, tokens, tools=(TOOL,), stream=stream, is_exact=is_exact, is_enough=lambda _, has_call: has_call)


def sum_of_two(*, is_exact: bool) -> Question:
    """Ask for something to think about a little."""
    text = "How much is 17 + 25? Answer with the number."
    return _said(text, SHORT_TOKENS, is_exact=is_exact, is_enough=lambda said, _: bool(filters_for((said,))))


def counting(*, thinks: bool) -> Question:
    """Ask for an answer of some length."""
    tokens = COUNT_TOKENS_THINKING if thinks else COUNT_TOKENS
    text = "Count from 1 to 30, one number per line, nothing else."
    return _said(text, tokens, is_enough=lambda said, _: len(said) > 2 * ENOUGH_CHARS)


def thinking(kind: str) -> Question:
    """Ask a Messages provider to think; `kind` is `enabled`, or `adaptive` as newer models want it."""
    asked: dict[str, object] = {"type": kind}
    if kind == "enabled":
        asked["budget_tokens"] = THINKING_BUDGET
    body: dict[str, object] = {
        "max_tokens": THINKING_BUDGET + SHORT_TOKENS,
        "thinking": asked,
        "messages": [{"role": "user", "content": "How much is 17 + 25? Answer with the number."}],
    }
    return Question(body=body)


def cached() -> Question:
    """Ask a Messages provider something behind a prefix that it may keep."""
    system = {"type": "text", "text": _FILLER, "cache_control": {"type": "ephemeral"}}
    body: dict[str, object] = {
        "max_tokens": CACHE_TOKENS,
        "system": [system],
        "messages": [{"role": "user", "content": "Answer with one word: ready"}],
    }
    return Question(body=body)


def _said(
    text: str,
    max_tokens: int,
    *,
    tools: tuple[Tool, ...] = (),
    stream: bool = True,
    is_exact: bool = False,
    is_enough: Callable[[str, bool], bool] = lambda _text, _has_call: False,
) -> Question:
    request = NeutralRequest(
        dialect=DialectName.ANTHROPIC,
        messages=(Message(role=Role.USER, content=(Text(text),), path="messages[0]"),),
        tools=tools,
        max_tokens=max_tokens,
        temperature=0.0 if is_exact else None,
        stream=stream,
    )
    return Question(neutral=request, stream=stream, is_enough=is_enough)
