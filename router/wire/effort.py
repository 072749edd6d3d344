"""How much a model shall think: one vendor's words and budgets in another's (wire.md 5, 6)."""

from __future__ import annotations

LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
NO_THINKING = ("none", "minimal")

_COMMON_LEVELS = ("none", "low", "medium", "high")  # what a provider takes that says only `true`
_BUDGETS = {"low": 2048, "medium": 8192, "high": 24576}
_LOW_BUDGET, _MEDIUM_BUDGET = 4096, 16384  # upper ends


def effort_of_budget(budget: int) -> str:
    """Return the level for a thinking budget in tokens."""
    if budget <= _LOW_BUDGET:
        return "low"
    return "medium" if budget <= _MEDIUM_BUDGET else "high"


def budget_of_effort(level: str) -> int:
    """Return a thinking budget in tokens for a level above `minimal`; an unknown word counts as `medium`."""
    return _BUDGETS.get(pick_effort(level, levels=True) or "medium", _BUDGETS["medium"])


def pick_effort(wanted: str, *, levels: bool | tuple[str, ...]) -> str | None:
    """Return the level to send to a provider that takes `levels`: the highest one not above `wanted`, else the lowest.

    Words that are no level pass only if the provider lists them. None: the provider takes nothing that fits; it must
    not be told to think when the client said `none`."""
    listed = _COMMON_LEVELS if levels is True else levels or ()
    if wanted in listed:
        return wanted
    known = sorted((level for level in listed if level in LEVELS), key=LEVELS.index)
    if wanted not in LEVELS or not known:
        return None
    below = [level for level in known if LEVELS.index(level) <= LEVELS.index(wanted)]
    if below:
        return below[-1]
    return None if wanted in NO_THINKING and known[0] not in NO_THINKING else known[0]
