"""Five rules that read the journal beside the configuration and say what may be worth a change (supervision.md 14). Pure.

Each suggestion has its reason, the figures it stands on and the lines to paste. None is made on fewer than 30 requests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median
from urllib.parse import urlsplit

import orjson
from attrs import frozen

from router.config.rules import is_loopback
from router.config.schema import ProfileConfig, ProviderConfig, RouterConfig
from router.reports.replay import Figures, figures_of
from router.reports.rows import Kind, Outcome, Row
from router.reports.spread import FEW, Spread, middle_of, share_of

LONG_PROMPT_TOKENS = 2048  # from here on a cache of the prompt is worth its premium; vendors keep none below 1024
EMPTY_SHARE = 0.05  # of empty or broken-off answers, surely above it
COLLAPSED = 0.5  # newer answers half as long as older ones, the limit of the normal drift preset
LONG_SESSION = 30  # requests of one session: an agent that works towards a goal by itself
SMALL_WINDOW = 10  # the least that the low preset judges
_DAY_S = 86_400.0


@frozen(kw_only=True)
class Suggestion:
    """One change that may be worth it; `toml` is a whole document that says it."""

    rule: str
    subject: str
    reason: str
    figures: Mapping[str, float]
    toml: str


def suggestions(rows: Sequence[Row], config: RouterConfig) -> tuple[Suggestion, ...]:
    """Return what the rows suggest for this configuration, rule by rule."""
    providers = {one.name: one for one in config.providers}
    found: list[Suggestion] = []
    for profile in config.profiles:
        own = [row for row in rows if row.profile == profile.name]
        found += _provider_reorder(profile, own)
        found += _enable_drift_detection(profile, own)
        found += _low_sensitivity_small_window(profile, own)
        found += _goal_profile(profile, own, config.profiles)
    for name, provider in providers.items():
        found += _enable_prompt_cache(provider, [row for row in rows if row.provider == name])
    return tuple(sorted(found, key=lambda one: RULES.index(one.rule)))


def _provider_reorder(profile: ProfileConfig, rows: Sequence[Row]) -> Iterator[Suggestion]:
    """Suggest to put a provider before one that surely fails more often, or surely answers later and fails no less."""
    order = list(profile.providers)
    figures = {name: figures_of(rows, Kind.PROVIDER, name) for name in order}
    for earlier, later in pairwise(profile.providers):
        why = _is_better(figures[earlier], figures[later])
        if why is None:
            continue
        place = order.index(earlier)
        order.remove(later)
        order.insert(place, later)
        one, other = figures[earlier], figures[later]
        yield Suggestion(
            rule="provider_reorder",
            subject=profile.name,
            reason=f"{later} {why} {earlier}, which is asked before it{_but(one, other)}",
            figures={
                f"failure_rate_{earlier}": one.failures.value,
                f"failure_rate_{later}": other.failures.value,
                **_mean(f"latency_ms_{earlier}", one.latency_ms),
                **_mean(f"latency_ms_{later}", other.latency_ms),
                **_mean(f"cost_usd_{earlier}", one.cost_usd),
                **_mean(f"cost_usd_{later}", other.cost_usd),
                f"attempts_{earlier}": one.failures.n,
                f"attempts_{later}": other.failures.n,
            },
            toml=_toml("profiles", profile.name, providers=order),
        )
        return


def _is_better(one: Figures, other: Figures) -> str | None:
    if one.failures.n < FEW or other.failures.n < FEW:
        return None
    if other.failures.interval.high < one.failures.interval.low:
        return "fails less often than"
    if other.failures.interval.low > one.failures.interval.high or one.latency_ms is None or other.latency_ms is None:
        return None
    first, second = one.latency_ms, other.latency_ms
    if min(first.n, second.n) < FEW or first.interval is None or second.interval is None:
        return None
    return "answers sooner than" if second.interval.high < first.interval.low else None


def _but(one: Figures, other: Figures) -> str:
    """Return what speaks against the other, though it is no sure difference."""
    failed = "; but it failed more often" if other.failures.value > one.failures.value else ""
    is_dearer = one.cost_usd is not None and other.cost_usd is not None and other.cost_usd.mean > one.cost_usd.mean
    return failed + ("; but it costs more" if is_dearer else "")


def _enable_prompt_cache(provider: ProviderConfig, rows: Sequence[Row]) -> Iterator[Suggestion]:
    """Suggest to mark long prompts as cacheable where a vendor would keep them and nothing was ever kept."""
    prompts = [tokens for row in rows if row.outcome is Outcome.OK and (tokens := row.prompt_tokens) is not None]
    if (
        provider.kind != "anthropic"
        or provider.auto_cache
        or is_loopback(urlsplit(provider.base_url).hostname or "")
        or len(prompts) < FEW
    ):
        return
    kept = sum((row.cache_read or 0) + (row.cache_creation or 0) for row in rows)
    typical = median(prompts)
    if kept or typical < LONG_PROMPT_TOKENS:
        return
    yield Suggestion(
        rule="enable_prompt_cache",
        subject=provider.name,
        reason=f"{len(prompts)} answers, half of them to prompts of over {typical:.0f} tokens, but none was read from a cache",
        figures={"answers": len(prompts), "median_prompt_tokens": typical, "cached_tokens": kept},
        toml=_toml("providers", provider.name, auto_cache=True),
    )


def _enable_drift_detection(profile: ProfileConfig, rows: Sequence[Row]) -> Iterator[Suggestion]:
    """Suggest to watch a profile whose answers are often empty or broken off, or have become much shorter."""
    if profile.drift_detection_action != "off":
        return
    answers = [row for row in rows if row.output_tokens is not None and row.outcome in (Outcome.OK, Outcome.FAILED)]
    if len(answers) < FEW:
        return
    bad = share_of(sum(row.output_tokens == 0 or row.outcome is Outcome.FAILED for row in answers), len(answers))
    older, newer = middle_of([row.output_tokens or 0.0 for row in answers])
    figures = {"answers": len(answers), "bad_share": bad.value, "median_tokens_older": older, "median_tokens_newer": newer}
    if bad.interval.low > EMPTY_SHARE:
        reason = f"{bad.hits} of {bad.n} answers were empty or broken off"
    elif older and newer / older < COLLAPSED:
        reason = f"answers became shorter: half of the newer ones have at most {newer:.0f} tokens, of the older ones {older:.0f}"
    else:
        return
    toml = _toml("profiles", profile.name, drift_detection_action="warn")
    yield Suggestion(rule="enable_drift_detection", subject=profile.name, reason=reason, figures=figures, toml=toml)


def _low_sensitivity_small_window(profile: ProfileConfig, rows: Sequence[Row]) -> Iterator[Suggestion]:
    """Suggest a small window, judged with care, where a provider needs more than a day to fill the one that is set."""
    is_on, window = profile.drift_detection_action != "off", profile.drift_detection_window_size
    if not is_on or window <= SMALL_WINDOW or len(rows) < FEW:
        return
    days = max((_unix(rows[-1].ts) - _unix(rows[0].ts)) / _DAY_S, 0.0)
    counts = Counter(row.provider for row in rows if row.provider is not None)
    busiest = max(counts.values(), default=0)
    if not busiest or days * window <= busiest:
        return
    per_day = busiest / days
    yield Suggestion(
        rule="low_sensitivity_small_window",
        subject=profile.name,
        reason=f"its busiest provider answers {per_day:.1f} requests per day: a window of {window} spans more than a day",
        figures={"requests": len(rows), "requests_per_day": per_day, "window": window},
        toml=_toml("profiles", profile.name, drift_detection_window_size=SMALL_WINDOW, drift_detection_sensitivity="low"),
    )


def _goal_profile(profile: ProfileConfig, rows: Sequence[Row], others: Sequence[ProfileConfig]) -> Iterator[Suggestion]:
    """Suggest a stricter profile for sessions in which an agent works on for long without anybody looking.

    Silent once there is one: with the name that it would have, or strict over the same providers."""
    sessions: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.session is not None:
            sessions[row.session] += 1
    long = [count for count in sessions.values() if count >= LONG_SESSION]
    name = f"{profile.name[:120]}-goal"
    same = (other for other in others if set(other.providers) == set(profile.providers))
    if not long or any(map(_is_strict, same)) or any(other.name == name for other in others):
        return
    yield Suggestion(
        rule="goal_profile",
        subject=profile.name,
        reason=f"{len(long)} of {len(sessions)} sessions had {LONG_SESSION} requests or more: loops and drift cost most there",
        figures={"sessions": len(sessions), "long_sessions": len(long), "longest": max(long)},
        toml=_toml(
            "profiles",
            name,
            is_new=True,
            providers=list(profile.providers),
            drift_detection_action="warn",
            drift_detection_sensitivity="high",
            tool_loop_action="break",
        ),
    )


def _is_strict(profile: ProfileConfig) -> bool:
    return profile.drift_detection_action != "off" and profile.drift_detection_sensitivity == "high"


RULES = (
    "provider_reorder",
    "enable_prompt_cache",
    "enable_drift_detection",
    "low_sensitivity_small_window",
    "goal_profile",
)


def _toml(table: str, name: str, *, is_new: bool = False, **values: object) -> str:
    """Return a table of an array with its name and these keys; JSON's strings, numbers and lists are TOML's."""
    lines = [f"{key} = {orjson.dumps(value).decode()}" for key, value in {"name": name, **values}.items()]
    where = f"# a new entry of [[{table}]]" if is_new else f"# into the entry of [[{table}]] with this name"
    return "\n".join([where, f"[[{table}]]", *lines, ""])


def _mean(name: str, spread: Spread | None) -> dict[str, float]:
    return {} if spread is None else {name: spread.mean}


def _unix(ts: str) -> float:
    try:
        return datetime.fromisoformat(ts).timestamp()
    except ValueError:
        return 0.0
