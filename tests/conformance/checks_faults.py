"""What becomes of an upstream's faults, in every dialect: nobody hangs, and every stream ends in its grammar.

Needs the scripted upstream. A fault before the first word may become a status or an error inside the stream; behind it
only the latter. A success it must never become."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from attrs import frozen

from tests.conformance import sources
from tests.conformance.bench import OK, Bench, Check, Needs, expect, succeeded
from tests.conformance.checks_errors import envelope
from tests.conformance.dialects import EVERY, GEMINI, MESSAGES, OLLAMA, RESPONSES, Dialect
from tests.conformance.http import Answer, End
from tests.conformance.scripts import (
    FIRST_WORD,
    SECOND_WORD,
    Fault,
    Script,
    broken,
    broken_call,
    closing,
    error_frame,
    refusal,
    silent,
)
from tests.conformance.shape import short
from tests.conformance.told import Stop, Told

Run = Callable[[Dialect, Bench], Awaitable[None]]
ERROR = error_frame("the scripted upstream fails")
RETRY_MAX_S = 60.0  # seen: a retry-after of 120 s ends Claude Code's turn at once, one of 2 s does not
SAID = FIRST_WORD + SECOND_WORD
OVERFLOW = "This model's maximum context length is 4096 tokens. However, your messages resulted in 6024 tokens."


@frozen(kw_only=True)
class _Row:
    name: str
    claim: str
    run: Run
    source: str = sources.ROUTER


def fault_checks() -> tuple[Check, ...]:
    """Return the checks of what every dialect makes of faults."""
    return tuple(
        Check(
            id=f"{dialect.name}.fault.{row.name}",
            claim=row.claim,
            source=row.source,
            run=partial(row.run, dialect),
            needs=Needs.UPSTREAM,
        )
        for dialect in EVERY
        for row in _ROWS
        if not (row.name == "silence" and dialect in (GEMINI, OLLAMA))
    )


def is_failure(dialect: Dialect, answer: Answer, *, is_stream: bool) -> Told | None:
    """Return what a stream said before it ended in an error, None where the answer is an error. Raises Failed otherwise."""
    if answer.status != OK:
        expect(answer.status != 404, "404: the client takes the turn for one that can never be answered")
        envelope(dialect, answer, answer.status)
        return None
    expect(answer.end is End.WHOLE, f"the body ended {answer.end}: {short(answer.body[-200:].decode('utf-8', 'replace'))}")
    expect(is_stream, f"200: {short(answer.body.decode('utf-8', 'replace'))}")
    told = dialect.read(answer.body, is_stream=True)
    expect(not told.violations, "; ".join(f"{one.rule}: {one.seen}" for one in told.violations[:2]))
    expect(told.error or told.stop in {Stop.LENGTH, Stop.OTHER}, f"it looks like a success: {short(told.text)} {told.stop}")
    return told


async def _fetch(dialect: Dialect, bench: Bench, script: Script, *, is_stream: bool = True, has_tools: bool = False) -> Answer:
    with bench.playing(script) as case:
        answer = await bench.ask(dialect, bench.told_by(case, is_stream=is_stream, has_tools=has_tools))
        if not case.asked:
            succeeded(dialect.name, answer)
        expect(case.asked, f"the upstream was not asked; the client got {answer.status}")
    return answer


async def _fails_after(dialect: Dialect, bench: Bench, script: Script, said: str, *, has_tools: bool = False) -> None:
    told = is_failure(dialect, await _fetch(dialect, bench, script, has_tools=has_tools), is_stream=True)
    expect(said.startswith(told.text if told else ""), f"text {short(told.text) if told else ''}")
    expect(not (told and told.calls), "half a call was handed out as a whole one")


async def _cut_mid(dialect: Dialect, bench: Bench) -> None:
    await _fails_after(dialect, bench, broken(Fault.CUT, after_words=2), SAID)


async def _cut_in_call(dialect: Dialect, bench: Bench) -> None:
    await _fails_after(dialect, bench, broken_call(Fault.CUT), "", has_tools=True)


async def _error_mid(dialect: Dialect, bench: Bench) -> None:
    await _fails_after(dialect, bench, broken(ERROR, after_words=2), SAID)


async def _error_first(dialect: Dialect, bench: Bench) -> None:
    await _fails_after(dialect, bench, broken(ERROR, after_words=0), "")


async def _truncated(dialect: Dialect, bench: Bench) -> None:
    whole = broken(b"", after_words=2)
    await _fails_after(dialect, bench, Script(stream=whole.stream[:-1], whole=whole.whole), SAID)


async def _empty(dialect: Dialect, bench: Bench) -> None:
    await _fails_after(dialect, bench, Script(), "")


async def _only_done(dialect: Dialect, bench: Bench) -> None:
    await _fails_after(dialect, bench, Script(stream=closing("stop")[-1:]), "")


async def _json_cut(dialect: Dialect, bench: Bench) -> None:
    answer = await _fetch(dialect, bench, broken(Fault.CUT, after_words=1), is_stream=False)
    is_failure(dialect, answer, is_stream=False)
    expect(answer.status >= 500, f"status {answer.status}")


async def _status_500(dialect: Dialect, bench: Bench) -> None:
    script = refusal(500, "the scripted upstream fails", code="server_error")
    for is_stream in (True, False):
        answer = await _fetch(dialect, bench, script, is_stream=is_stream)
        is_failure(dialect, answer, is_stream=is_stream)
        expect(answer.status >= 500 or is_stream, f"status {answer.status}")


async def _status_404(dialect: Dialect, bench: Bench) -> None:
    script = refusal(404, "The model `scripted` does not exist", code="model_not_found")
    is_failure(dialect, await _fetch(dialect, bench, script), is_stream=True)


async def _status_400(dialect: Dialect, bench: Bench) -> None:
    script = refusal(400, "conformance finds no taste in this", code="invalid_request_error")
    answer = await _fetch(dialect, bench, script, is_stream=False)
    message = envelope(dialect, answer, 400)
    expect("no taste in this" in message, f"the upstream's words are lost: {message}")


async def _status_429(dialect: Dialect, bench: Bench) -> None:
    script = refusal(429, "Rate limit reached", code="rate_limit_exceeded", headers=(("retry-after", "1"),))
    answer = await _fetch(dialect, bench, script)
    envelope(dialect, answer, 429, 503, 529)
    wait = answer.header("retry-after") or ""
    expect(wait.isdecimal() and 1 <= int(wait) <= RETRY_MAX_S, f"{answer.status} with retry-after {wait or None}")
    told = answer.header("x-should-retry")
    expect(told != "false", f"{answer.status} with x-should-retry {told}")


async def _overflow(dialect: Dialect, bench: Bench) -> None:
    script = refusal(400, OVERFLOW, code="context_length_exceeded")
    if dialect is RESPONSES:
        told = is_failure(dialect, await _fetch(dialect, bench, script), is_stream=True)
        expect(told is not None, "a status: Codex takes a 400 for a plain bad request, and does not compact")
    answer = await _fetch(dialect, bench, script, is_stream=False)
    message = envelope(dialect, answer, 400)
    body = answer.body.decode("utf-8", "replace")
    if dialect is MESSAGES:
        expect(message.startswith("prompt is too long"), f"Claude Code compacts only on 'prompt is too long': {message}")
    elif dialect not in (GEMINI, OLLAMA):
        expect("context_length_exceeded" in body, f"no code context_length_exceeded: {short(body)}")


async def _silence(dialect: Dialect, bench: Bench) -> None:
    answer = await _fetch(dialect, bench, silent(bench.keepalive_s * 1.25))
    succeeded(dialect.name, answer)
    told = dialect.read(answer.body, is_stream=True)
    expect(not told.violations, "; ".join(one.seen for one in told.violations[:2]))
    expect(told.text == SAID, f"text {short(told.text)}")
    longest = answer.longest_silence_s()
    expect(longest <= bench.keepalive_s, f"{longest:.1f} s without a byte, allowed are {bench.keepalive_s:g}")


_ROWS = (
    _Row(
        name="cut-mid",
        claim="A connection cut behind the first words ends the stream with the dialect's own error.",
        run=_cut_mid,
    ),
    _Row(name="cut-in-call", claim="A cut inside a tool call hands out no half call.", run=_cut_in_call),
    _Row(
        name="error-mid",
        claim="An error frame behind the first words ends the stream with the dialect's own error.",
        run=_error_mid,
    ),
    _Row(name="error-first", claim="An error frame in the place of the first word is told as an error.", run=_error_first),
    _Row(name="truncated", claim="A stream that ends without a reason is no success.", run=_truncated),
    _Row(name="empty", claim="A stream without a single event is no success.", run=_empty),
    _Row(name="only-done", claim="A stream of nothing but its terminator is no success.", run=_only_done),
    _Row(name="json-cut", claim="A whole answer that is cut gets a status of 500 or more, in the envelope.", run=_json_cut),
    _Row(name="status-500", claim="The upstream's 500 is told as an error in the dialect's envelope.", run=_status_500),
    _Row(name="status-404", claim="The upstream's 404 is not handed on as 404.", run=_status_404, source=sources.SILENT_RETRY),
    _Row(name="status-400", claim="The upstream's 400 is told as 400, with its words.", run=_status_400),
    _Row(
        name="status-429",
        claim=f"The upstream's 429 becomes 429, 503 or 529 with a retry-after of 1 to {RETRY_MAX_S:g} s.",
        run=_status_429,
        source=f"{sources.SDK_RETRY}; {sources.SEEN_CLAUDE}; {sources.SEEN_CODEX}",
    ),
    _Row(
        name="context-overflow",
        claim="A prompt over the upstream's window is told in the form on which the client compacts.",
        run=_overflow,
        source=f"{sources.SEEN_CLAUDE}; {sources.SEEN_CODEX}",
    ),
    _Row(
        name="silence",
        claim="While the upstream is silent, before its first word and behind it, a sign of life comes in time.",
        run=_silence,
        source=sources.STALL,
    ),
)
