"""Lines of the request journal as values, and which of them are meant (supervision.md 14). Pure.

A line of CodeRouter's journal is one too: it has ten of the keys, and its `outcome` says how the cache did."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum

from attrs import define, frozen

from router.domain.printable import printable
from router.domain.told import stamp_of

_CACHE_WORDS = ("cache_hit", "cache_creation", "no_cache", "unknown")  # of CodeRouter: all of them are answers
_NUMBERS = (
    *("ttft_ms", "total_ms", "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    *("cost_usd", "cost_savings_usd"),
)
_HOUR_CHARS, _DAY_CHARS = len("2026-01-31T12"), len("2026-01-31")  # of a stamp: `--since` takes them, too
_MOST = 1e15  # the square of it, summed up over any journal, is a float
_AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_BEGINNING = re.compile(r"\d{4}(-\d\d(-\d\d(T\d(\d(:\d(\d(:\d(\d(\.\d+)?)?)?)?)?)?)?)?)?", re.ASCII)
_FILLED = "0000-01-01T00:00:00"  # what a beginning of a stamp lacks, so that it is a moment


class Outcome(StrEnum):
    """How a request ended."""

    OK = "ok"
    FAILED = "failed"
    CANCELLED = "cancelled"  # by its client, or an operator
    REFUSED = "refused"  # no provider was asked


_OUTCOMES: frozenset[str] = frozenset(Outcome)


class Kind(StrEnum):
    """By what requests are told apart."""

    PROVIDER = "provider"
    PROFILE = "profile"
    MODEL = "model"
    CLASS = "class"
    HOUR = "hour"  # UTC, as the lines have it
    DAY = "day"


TIMES = (Kind.HOUR, Kind.DAY)
NOBODY = "(none)"  # the name of requests that were over before they had one: refused at the door, say


@frozen(kw_only=True)
class Row:
    """One request; None for what the line does not say. `chain` has each attempt with its end: `ok`, or the reason."""

    ts: str
    outcome: Outcome
    provider: str | None = None
    dialect: str | None = None
    profile: str | None = None
    why: str | None = None  # the profile was chosen
    model: str | None = None
    request_class: str | None = None
    session: str | None = None
    request_id: str | None = None
    reason: str | None = None  # of what is not ok
    status: float | None = None
    skipped: tuple[str, ...] = ()  # who was passed over, and why
    moved: tuple[str, ...] = ()  # who was not asked at its place, and why
    chain: tuple[tuple[str, str], ...] = ()
    streaming: bool | None = None
    ttft_ms: float | None = None
    total_ms: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    estimated: bool | None = None  # these counts are the router's
    cache_read: float | None = None
    cache_creation: float | None = None
    cost_usd: float | None = None
    savings_usd: float | None = None
    chain_costs: tuple[float | None, ...] = ()  # USD of each attempt, empty where the line does not say
    chain_savings: tuple[float | None, ...] = ()

    @property
    def prompt_tokens(self) -> float | None:
        """The whole prompt, with what was read from a cache or written to one; `input_tokens` is what is in neither."""
        parts = [part for part in (self.input_tokens, self.cache_read, self.cache_creation) if part is not None]
        return sum(parts) if parts else None

    def cost_at(self, provider: str) -> float | None:
        """Return what the attempts at one provider have cost, USD; None where it got nothing, or nobody knows."""
        return self._at(provider, self.chain_costs, self.cost_usd)

    def savings_at(self, provider: str) -> float | None:
        """Return what caches have saved at one provider, USD."""
        return self._at(provider, self.chain_savings, self.savings_usd)

    def _at(self, provider: str, each: Sequence[float | None], whole: float | None) -> float | None:
        if not each or len(each) != len(self.chain):  # one attempt, or a journal that does not tell them apart
            return whole if self.provider == provider else None
        own = [one for (name, _), one in zip(self.chain, each, strict=True) if name == provider and one is not None]
        return sum(own) if own else None

    def name(self, kind: Kind) -> str | None:
        """Return the name by which the row is told apart from others."""
        match kind:
            case Kind.PROVIDER:
                return self.provider
            case Kind.PROFILE:
                return self.profile
            case Kind.MODEL:
                return self.model
            case Kind.CLASS:
                return self.request_class
            case Kind.HOUR:
                return self.ts[:_HOUR_CHARS]
            case Kind.DAY:
                return self.ts[:_DAY_CHARS]

    def names(self, kind: Kind) -> frozenset[str]:
        """Return every name that has a part in the row: each provider that was asked, else the one name, or NOBODY."""
        asked = (name for name, _ in self.chain) if kind is Kind.PROVIDER else ()
        return frozenset((self.name(kind) or NOBODY, *asked))


@frozen(kw_only=True)
class Wanted:
    """Which rows are meant: of these names, not before `since`, a stamp or its beginning, and of those the last `limit`.

    A provider's are those that it was asked, first or later: what another one made good is among them."""

    names: Mapping[Kind, str]
    outcome: Outcome | None = None
    request_id: str | None = None
    since: str | None = None
    limit: int | None = None

    @property
    def is_every(self) -> bool:
        """Whether every request is meant, whatever it is."""
        return not self.names and self.outcome is None and self.request_id is None and self.since is None


@define
class Rows:
    """The rows that are meant, and what was met on the way: every name there is, and how many objects were no request."""

    rows: tuple[Row, ...]
    known: Mapping[Kind, Sequence[str]]
    bad_total: int = 0


class UnknownNameError(ValueError):
    """A name that no request has; its text says which there are."""


def read_rows(records: Iterable[Mapping[str, object]], wanted: Wanted) -> Rows:
    """Return the rows of the records that are meant. Raises UnknownNameError for a name that no row has."""
    known: dict[Kind, dict[str, str]] = {kind: {} for kind in Kind}
    kept: deque[Row] = deque(maxlen=wanted.limit)
    names = {kind: name.casefold() for kind, name in wanted.names.items()}
    bad_total = 0
    for record in records:
        row = read_row(record)
        if row is None:
            bad_total += 1
            continue
        for kind, found in known.items():
            if (name := row.name(kind)) is not None:
                found.setdefault(name.casefold(), name)
        for provider, _ in row.chain:
            known[Kind.PROVIDER].setdefault(provider.casefold(), provider)
        if _is_meant(row, wanted) and all(_has(row, kind, name) for kind, name in names.items()):
            kept.append(row)
    listed = {kind: sorted(found.values()) for kind, found in known.items()}
    for kind, name in wanted.names.items():
        if name.casefold() not in known[kind]:
            raise UnknownNameError(unknown_text(kind, name, listed[kind]))
    return Rows(rows=tuple(kept), known=listed, bad_total=bad_total)


def two_names(known: Mapping[Kind, Sequence[str]], kind: Kind | None, names: tuple[str, str]) -> tuple[Kind, str, str]:
    """Return what two names are names of, the first kind that has both where none is asked for, and how they are written.

    Raises UnknownNameError where there is none such."""
    for candidate in Kind if kind is None else (kind,):
        written = {name.casefold(): name for name in known[candidate]}
        if all(name.casefold() in written for name in names):
            return candidate, written[names[0].casefold()], written[names[1].casefold()]
    least = kind or next((k for k in Kind if any(n.casefold() in map(str.casefold, known[k]) for n in names)), Kind.PROVIDER)
    missing = next((name for name in names if name.casefold() not in map(str.casefold, known[least])), names[0])
    raise UnknownNameError(unknown_text(least, missing, known[least]))


def unknown_text(kind: Kind, name: str, known: Sequence[str]) -> str:
    """Return the sentence for a name that no request has."""
    near = get_close_matches(name, known, n=1)
    hint = f", did you mean {printable(near[0])}?" if near else f"; known: {', '.join(map(printable, known))}" if known else ""
    return f"no request of {kind} {name!r}{hint}"


def read_row(record: Mapping[str, object]) -> Row | None:
    """Return the row of one record, None for one that is no request, or has a number that nobody can have measured."""
    if any(_is_absurd(record.get(key)) for key in _NUMBERS):
        return None
    ts, word = record.get("ts"), record.get("outcome")
    if not isinstance(ts, str) or not isinstance(word, str):
        return None
    if word not in _OUTCOMES and word not in _CACHE_WORDS:
        return None
    return Row(
        ts=ts,
        outcome=Outcome(word) if word in _OUTCOMES else Outcome.OK,
        provider=_text(record, "provider"),
        dialect=_text(record, "dialect"),
        profile=_text(record, "profile"),
        why=_text(record, "why"),
        model=_text(record, "model"),
        request_class=_text(record, "request_class"),
        session=_text(record, "session"),
        request_id=_text(record, "request_id"),
        reason=_text(record, "reason"),
        status=_number(record, "status"),
        estimated=_flag(record, "estimated"),
        skipped=tuple(str(one) for one in _listed(record, "skipped")),
        moved=tuple(str(one) for one in _listed(record, "moved")),
        chain=tuple(_attempts(_listed(record, "chain"))),
        streaming=_flag(record, "streaming"),
        ttft_ms=_number(record, "ttft_ms"),
        total_ms=_number(record, "total_ms"),
        input_tokens=_number(record, "input_tokens"),
        output_tokens=_number(record, "output_tokens"),
        cache_read=_number(record, "cache_read_input_tokens"),
        cache_creation=_number(record, "cache_creation_input_tokens"),
        cost_usd=_number(record, "cost_usd"),
        savings_usd=_number(record, "cost_savings_usd"),
        chain_costs=_numbers(record, "chain_costs_usd"),
        chain_savings=_numbers(record, "chain_savings_usd"),
    )


def since_stamp(text: str, now: float) -> str:
    """Return the beginning of a stamp: of `2h`, `30m`, `7d`, a date, a moment with or without its zone, UTC where none is said.

    Raises ValueError for anything else. `now` is unix seconds."""
    if ago := _AGO.fullmatch(text):
        return stamp_of(now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}).total_seconds())
    beginning = text.replace(" ", "T").removesuffix("Z")
    try:
        if _BEGINNING.fullmatch(beginning):
            datetime.fromisoformat((beginning + _FILLED[len(beginning) :])[: len(_FILLED)])
            return beginning
        moment = datetime.fromisoformat("" if "W" in text.upper() else text)  # the date of a week is none here
    except ValueError:
        raise ValueError(f"{text!r} is neither an age (2h, 30m, 7d) nor a date such as 2026-01-31T12:00") from None
    return stamp_of((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _is_meant(row: Row, wanted: Wanted) -> bool:
    return (
        (wanted.since is None or row.ts >= wanted.since)
        and wanted.outcome in (None, row.outcome)
        and wanted.request_id in (None, row.request_id)
    )


def _has(row: Row, kind: Kind, name: str) -> bool:
    return any(found.casefold() == name for found in row.names(kind))


def _attempts(chain: Sequence[object]) -> Iterator[tuple[str, str]]:
    for entry in chain:
        if isinstance(entry, str):
            provider, colon, word = entry.rpartition(":")
            if colon:
                yield provider, word


def _text(record: Mapping[str, object], key: str) -> str | None:
    value = record.get(key)
    return value if isinstance(value, str) and value else None


def _flag(record: Mapping[str, object], key: str) -> bool | None:
    value = record.get(key)
    return value if isinstance(value, bool) else None


def _is_absurd(value: object) -> bool:
    return isinstance(value, int | float) and value > _MOST


def _number(record: Mapping[str, object], key: str) -> float | None:
    return _measured(record.get(key))


def _numbers(record: Mapping[str, object], key: str) -> tuple[float | None, ...]:
    return tuple(map(_measured, _listed(record, key)))


def _listed(record: Mapping[str, object], key: str) -> Sequence[object]:
    value = record.get(key)
    return value if isinstance(value, list) else ()


def _measured(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST else None
