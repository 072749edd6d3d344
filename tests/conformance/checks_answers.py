"""What becomes of a good answer of the scripted upstream in every dialect, and of a client that leaves.

Needs the scripted upstream: only with it is known what has to arrive."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trio
from attrs import frozen

from tests.conformance import sources
from tests.conformance.bench import Bench, Check, Failed, Needs, expect, read_success
from tests.conformance.dialects import CHAT, EVERY, Dialect
from tests.conformance.http import Ask, End, NoAnswer, open_live
from tests.conformance.scripts import FIRST_WORD, OSLO, PARIS, TOKENS, WORDS, Fault, Script, broken, same_arguments, speech
from tests.conformance.shape import short
from tests.conformance.told import Call, Stop, Told
from tests.conformance.upstream import Case

FREED_S = 1.0


@frozen(kw_only=True)
class _Row:
    name: str
    claim: str
    run: Callable[[Dialect, Bench], Awaitable[None]]
    source: str = sources.ROUTER


def answer_checks() -> tuple[Check, ...]:
    """Return the checks of what every dialect makes of good answers and of departures."""
    return tuple(
        Check(
            id=f"{dialect.name}.{row.name}",
            claim=row.claim,
            source=row.source,
            run=partial(row.run, dialect),
            needs=Needs.UPSTREAM,
        )
        for dialect in EVERY
        for row in _ROWS
        if not (row.run is _call_with_stop and dialect is CHAT)  # a server may hand on a chat stream as it is
    )


async def _both(dialect: Dialect, bench: Bench, script: Script, *, has_tools: bool = False) -> list[Told]:
    """Return what the script's answer said, streamed and whole; both succeeded in their grammar. Raises Failed."""
    found: list[Told] = []
    for is_stream in (True, False):
        with bench.playing(script) as case:
            turn = bench.told_by(case, is_stream=is_stream, has_tools=has_tools)
            found.append(read_success(dialect, await bench.ask(dialect, turn), is_stream=is_stream))
    return found


async def _text(dialect: Dialect, bench: Bench) -> None:
    for told in await _both(dialect, bench, speech(WORDS)):
        expect(told.text == "".join(WORDS), f"text {told.text!r}")
        expect(told.stop is Stop.END, f"ended for {told.stop}")


async def _tokens(dialect: Dialect, bench: Bench) -> None:
    for told in await _both(dialect, bench, speech(WORDS)):
        expect(told.tokens == TOKENS, f"{told.tokens} where the upstream told {TOKENS}")


async def _length(dialect: Dialect, bench: Bench) -> None:
    for told in await _both(dialect, bench, speech(WORDS, finish="length")):
        expect(told.stop is Stop.LENGTH, f"ended for {told.stop}")


async def _call(dialect: Dialect, bench: Bench) -> None:
    for told in await _both(dialect, bench, speech(("I look. ",), (PARIS,)), has_tools=True):
        _same_calls(told, (PARIS,))
        expect(told.text.strip() == "I look.", f"text {told.text!r}")


async def _two_calls(dialect: Dialect, bench: Bench) -> None:
    for told in await _both(dialect, bench, speech((), (PARIS, OSLO)), has_tools=True):
        _same_calls(told, (PARIS, OSLO))


async def _interleaved(dialect: Dialect, bench: Bench) -> None:
    for told in await _both(dialect, bench, speech((), (PARIS, OSLO), is_interleaved=True), has_tools=True):
        _same_calls(told, (PARIS, OSLO))


async def _call_with_stop(dialect: Dialect, bench: Bench) -> None:
    for told in await _both(dialect, bench, speech((), (PARIS,), finish="stop"), has_tools=True):
        _same_calls(told, (PARIS,))


def _same_calls(told: Told, calls: Sequence[Call]) -> None:
    names = [call.name for call in told.calls]
    expect(names == [call.name for call in calls], f"calls {names}")
    for got, sent in zip(told.calls, calls, strict=True):
        expect(same_arguments(got.arguments, sent.arguments), f"arguments {short(got.arguments)}")
    expect(told.stop is Stop.TOOL, f"ended for {told.stop}")


async def _leaves_mid_stream(dialect: Dialect, bench: Bench) -> None:
    with bench.playing(broken(Fault.HANG, after_words=2)) as case:
        ask = dialect.ask(bench.told_by(case), bench.key)
        try:
            async with open_live(bench.target, ask, head_within_s=bench.limits.silence_s) as live:
                seen = b""
                while FIRST_WORD.strip().encode() not in seen:
                    got = await live.receive(bench.limits.silence_s)
                    if isinstance(got, End):
                        raise Failed(f"{live.status}, and the body ended {got} before the first word")
                    seen += got
        except NoAnswer as error:
            raise Failed(str(error)) from error
        await _is_freed(case)


async def _leaves_before_head(dialect: Dialect, bench: Bench, *, is_stream: bool) -> None:
    with bench.playing(broken(Fault.HANG, after_words=0)) as case:
        ask = dialect.ask(bench.told_by(case, is_stream=is_stream), bench.key)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_wait_in_vain, bench, ask)
            with trio.move_on_after(bench.limits.silence_s):
                await case.was_asked.wait()
            nursery.cancel_scope.cancel()
        expect(case.asked, "the upstream was not asked")
        await _is_freed(case)


async def _wait_in_vain(bench: Bench, ask: Ask) -> None:
    try:
        async with open_live(bench.target, ask, head_within_s=bench.limits.total_s) as live:
            while not isinstance(await live.receive(bench.limits.total_s), End):
                pass
    except NoAnswer:
        pass  # refused: then the upstream was not asked, which is told


async def _is_freed(case: Case) -> None:
    with trio.move_on_after(FREED_S):
        await case.was_left.wait()
        return
    raise Failed(f"{FREED_S:g} s after the client left, the upstream's connection is still open")


async def _leaves_stream(dialect: Dialect, bench: Bench) -> None:
    await _leaves_before_head(dialect, bench, is_stream=True)


async def _leaves_json(dialect: Dialect, bench: Bench) -> None:
    await _leaves_before_head(dialect, bench, is_stream=False)


_ROWS = (
    _Row(name="answer.text", claim="Text arrives character by character as it was said, streamed and whole.", run=_text),
    _Row(name="answer.tokens", claim="The tokens that the upstream tells are the ones that the client reads.", run=_tokens),
    _Row(name="answer.length", claim="An answer cut at the token limit says so.", run=_length),
    _Row(name="answer.tool-call", claim="A tool call in fragments arrives whole, with the text before it.", run=_call),
    _Row(name="answer.two-calls", claim="Two tool calls arrive whole and in order.", run=_two_calls),
    _Row(
        name="answer.interleaved-calls", claim="Two calls whose fragments alternate arrive whole and in order.", run=_interleaved
    ),
    _Row(
        name="answer.call-with-stop",
        claim="A call whose upstream says stop instead of tool_calls still ends the turn as a call.",
        run=_call_with_stop,
    ),
    _Row(
        name="leaves.mid-stream",
        claim=f"When the client leaves in mid-stream, the upstream's connection is closed within {FREED_S:g} s.",
        run=_leaves_mid_stream,
        source=sources.FREED,
    ),
    _Row(
        name="leaves.before-first-word",
        claim=f"When the client leaves before the first word of a stream, the upstream is freed within {FREED_S:g} s.",
        run=_leaves_stream,
        source=sources.FREED,
    ),
    _Row(
        name="leaves.json",
        claim=f"When the client leaves before a whole answer, the upstream is freed within {FREED_S:g} s.",
        run=_leaves_json,
        source=sources.FREED,
    ),
)
