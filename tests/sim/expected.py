"""What the configurations at work promise of an answer: by provider, what is made of written calls, thinking and marks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from attrs import frozen

from router.config.schema import ProviderConfig, RouterConfig
from tests.sim.words import FORMS, TAGGED

_NONE: frozenset[str] = frozenset()
_FORMS = {"off": _NONE, "strict": TAGGED, "balanced": frozenset(FORMS), "eager": frozenset(FORMS)}


@frozen(kw_only=True)
class Promise:
    """`forms` of written calls become calls; `thinks` and `marks` say whether such text may be left."""

    forms: frozenset[str] = _NONE
    thinks: bool = True
    marks: bool = True


def promise(configs: Sequence[RouterConfig], provider: str, *, has_tools: bool) -> Promise:
    """Return what every one of the configurations promises of an answer that this provider gave alone."""
    tables = [table for config in configs for table in config.providers if table.name == provider]
    if len(tables) < len(configs) or not tables:
        return Promise()
    forms = reduce(frozenset.intersection, (_FORMS[_mode(table)] for table in tables))
    return Promise(
        forms=forms if has_tools else _NONE,
        thinks=not all("strip_thinking" in table.output_filters for table in tables),
        marks=not all("strip_stop_markers" in table.output_filters for table in tables),
    )


def refused_calls(configs: Sequence[RouterConfig], profile: str, calls: int) -> bool:
    """Tell whether so many calls since the last message of a person are too many, by any of the configurations."""
    limits = [p.max_tool_calls_hard for config in configs for p in config.profiles if p.name == profile]
    return bool(limits) and all(0 < limit < calls for limit in limits)


def statuses(configs: Sequence[RouterConfig]) -> frozenset[int]:
    """Return the statuses that these configurations make legal: 402 where something is capped, 403 as well for money."""
    always = {200, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504, 529}
    return frozenset(always | ({402} if any(map(_has_cap, configs)) else set()))


def _has_cap(config: RouterConfig) -> bool:
    caps = [config.budget.daily_usd, config.budget.monthly_usd, *(p.monthly_budget_usd for p in config.profiles)]
    caps += [p.cost.monthly_budget_usd for p in config.providers if p.cost is not None]
    return any(cap is not None for cap in caps)


def _mode(table: ProviderConfig) -> str:
    return table.tool_repair or ("balanced" if table.kind == "openai_compat" else "off")
