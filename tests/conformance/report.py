"""The outcomes as a table for a terminal, as JSON, and as Markdown; the list of checks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

from tests.conformance.bench import Check, Needs
from tests.conformance.shape import short
from tests.conformance.suite import GROUPS, Outcome, Result

_MIN_WIDTH = 100
_NEEDS = {Needs.SERVER: "", Needs.UPSTREAM: "upstream", Needs.NATIVE: "native"}


def line(outcome: Outcome, width: int | None = None) -> str:
    """Return one row: id, result, and the claim, or what was seen instead."""
    width = width or max(_MIN_WIDTH, shutil.get_terminal_size().columns)
    head = f"{outcome.check.id:<44} {outcome.result:<5} "
    rest = outcome.seen or outcome.check.claim
    return head + (rest if outcome.result is Result.FAIL else short(rest, max(20, width - len(head))))


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the counts of each group and their sum."""
    rows = [_counts(group, [one for one in outcomes if one.check.group == group]) for group in GROUPS]
    return "\n".join(["", f"{'group':<12}{'pass':>6}{'FAIL':>6}{'n.a.':>6}", *filter(None, rows), _counts("all", outcomes)])


def _counts(name: str, outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return ""
    numbers = "".join(f"{sum(one.result is result for one in outcomes):>6}" for result in Result)
    return f"{name:<12}{numbers}"


def as_json_text(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as a JSON array."""
    rows = [
        {
            "id": one.check.id,
            "result": one.result.value.lower(),
            "claim": one.check.claim,
            "source": one.check.source,
            "seen": one.seen,
            "took_s": round(one.took_s, 3),
        }
        for one in outcomes
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False)


def listing(checks: Sequence[Check]) -> str:
    """Return the checks with their claims, sources and needs."""
    return "\n".join(f"{one.id}\n    {one.claim}\n    {one.source}{_of_needs(one)}" for one in checks)


def _of_needs(one: Check) -> str:
    return f"   (needs the scripted upstream: {_NEEDS[one.needs]})" if one.needs is not Needs.SERVER else ""
