"""All checks, which of them are asked for, and how they are run: one after the other, each with a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import trio
from attrs import frozen

from tests.conformance import checks_gateway, checks_gemini, checks_native, checks_ollama, checks_requests, checks_responses
from tests.conformance.bench import Bench, Check, Failed, Needs, NotApplicable, NotOffered
from tests.conformance.checks_answers import answer_checks
from tests.conformance.checks_errors import error_checks
from tests.conformance.checks_faults import fault_checks
from tests.conformance.checks_streams import stream_checks
from tests.conformance.dialects import EVERY, MESSAGES

GROUPS = ("gateway", *(dialect.name for dialect in EVERY))
CHECK_S = 300.0  # more than its requests may take together; a check that needs longer hangs
_MODULES = (checks_gateway, checks_native, checks_requests, checks_responses, checks_gemini, checks_ollama)


class Result(StrEnum):
    """How a check ended."""

    PASS = "pass"
    FAIL = "FAIL"
    NOT_APPLICABLE = "n.a."


@frozen(kw_only=True)
class Outcome:
    """One check and how it ended; `seen` says why, "" for a pass."""

    check: Check
    result: Result
    seen: str = ""
    took_s: float = 0.0


def all_checks() -> tuple[Check, ...]:
    """Return every check, group by group."""
    plain = tuple(value for module in _MODULES for value in vars(module).values() if isinstance(value, Check))
    found = (*plain, *stream_checks(), *error_checks(), *answer_checks(), *fault_checks())
    return tuple(one for group in GROUPS for one in found if one.group == group)


def chosen(patterns: Sequence[str]) -> tuple[Check, ...]:
    """Return the checks whose id begins with one of the patterns, all without any. Raises ValueError for one that fits none."""
    found = all_checks()
    for pattern in patterns:
        if not any(_fits(one, pattern) for one in found):
            raise ValueError(f"no check begins with {pattern!r}; the groups are {', '.join(GROUPS)}")
    return tuple(one for one in found if not patterns or any(_fits(one, pattern) for pattern in patterns))


def _fits(one: Check, pattern: str) -> bool:
    return one.id == pattern or one.id.startswith(f"{pattern}.")


async def run(
    bench: Bench,
    checks: Sequence[Check],
    *,
    optional: frozenset[str] = frozenset(),
    tell: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Run the checks; of a group in `optional` a route that is not offered is no failure."""
    outcomes: list[Outcome] = []
    for one in checks:
        began = trio.current_time()
        result, seen = await _run_one(bench, one, optional=optional)
        outcomes.append(Outcome(check=one, result=result, seen=seen, took_s=trio.current_time() - began))
        if tell is not None:
            tell(outcomes[-1])
    return outcomes


async def _run_one(bench: Bench, one: Check, *, optional: frozenset[str]) -> tuple[Result, str]:
    if one.needs is not Needs.SERVER and bench.upstream is None:
        return Result.NOT_APPLICABLE, "needs --upstream-port"
    if one.needs is Needs.NATIVE and bench.native_model is None:
        return Result.NOT_APPLICABLE, "needs --native-model"
    result, seen = Result.FAIL, f"not done after {CHECK_S:g} s"
    with trio.move_on_after(CHECK_S):
        try:
            await one.run(bench)
            result, seen = Result.PASS, ""
        except NotOffered as error:
            is_free = one.group in optional
            return (Result.NOT_APPLICABLE, f"{error}, and may be missing") if is_free else (Result.FAIL, str(error))
        except NotApplicable as error:
            return Result.NOT_APPLICABLE, str(error)
        except Failed as error:
            seen = str(error)
    return await _recovered(bench, one, result, seen)


async def _recovered(bench: Bench, one: Check, result: Result, seen: str) -> tuple[Result, str]:
    """Wait until the server has got over what a check did to its upstream: the next one begins with a healthy server."""
    if one.needs is Needs.SERVER:
        return result, seen
    dialect = next((dialect for dialect in EVERY if dialect.name == one.group), MESSAGES)
    try:
        await bench.recover(dialect)
    except Failed as error:
        return Result.FAIL, f"{seen}; {error}" if seen else str(error)
    return result, seen
