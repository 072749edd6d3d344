"""The counters: a listener that adds events up, by the table of `counting.py`.

Plain sums in plain dictionaries, written by the one loop that tells events: no lock, and no library on the way of a request.
`exposition.py` turns them into a page, at the scrape (W29 to W31)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from math import inf, prod

from attrs import define, field, frozen

from router.config.schema import ProviderConfig, RouterConfig
from router.domain.told import Told
from router.observers.counting import NUMBERS, RULES, Rows
from router.observers.families import COUNTED, LATENCY_BUCKETS_S, NOBODY, OTHER, Family, Kind, Label, Names

Labels = tuple[str, ...]
# series that stand at 0 from the start: rates then see the first event, and pages stay short
MAX_ZEROS = 5  # for each name of the configuration; 5 reasons hold a restart back
MAX_NAMELESS_ZEROS = 32  # of a family without names; what can be left out has 30 words


@frozen(kw_only=True)
class Vocabulary:
    """The words that the configuration gives; `group_of` has the group of each provider with a restart table."""

    providers: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()
    group_of: Mapping[str, str] = field(factory=dict)

    def of(self, label: Label) -> frozenset[str]:
        """Return what a label can be, without the words for what is not listed."""
        match label.words:
            case Names.PROVIDERS:
                return self.providers
            case Names.PROFILES:
                return self.profiles
            case Names.GROUPS:
                return frozenset(self.group_of.values())
            case listed:
                return frozenset(listed or ())


@define
class Buckets:
    """What a histogram holds for one set of labels: how many fell into each bucket alone, and their sum."""

    counts: list[int] = field(factory=lambda: [0] * (len(LATENCY_BUCKETS_S) + 1))
    total: float = 0.0

    def observe(self, value: float) -> None:
        """Take one value in; one that equals a bound belongs below it."""
        self.counts[bisect_left(LATENCY_BUCKETS_S, value)] += 1
        self.total += value


@define(eq=False)
class Counts:
    """All series of one family. Written by `Metrics` only."""

    family: Family
    values: dict[Labels, float] = field(factory=dict)
    histograms: dict[Labels, Buckets] = field(factory=dict)
    _gone: dict[Labels, float] = field(factory=dict)  # of a counter: what names that are gone have counted, under OTHER
    _closed: tuple[frozenset[str], ...] = ()

    def configure(self, known: Vocabulary) -> None:
        """Take over other words: series of names that are gone go, new ones begin at 0."""
        self._closed = tuple(known.of(label) for label in self.family.labels)
        sets = [closed | {OTHER, NOBODY} for closed in self._closed]
        for held in (self.values, self.histograms):
            for labels in [labels for labels in held if not all(map(_is_in, labels, sets))]:
                self._forget(labels)
        if self.family.kind is Kind.COUNTER:
            for labels in self._zeros(known):
                self.values.setdefault(labels, 0.0)

    def add(self, raw: tuple[object, ...], amount: object) -> None:
        """Add, observe or set; nothing where `amount` is no finite number, or, for a counter, not above 0."""
        if not isinstance(amount, NUMBERS) or not -inf < amount < inf:
            return
        kind = self.family.kind
        if kind is Kind.COUNTER:
            if amount > 0:
                labels = raw if raw in self.values else self._close(raw)
                self.values[labels] = self.values.get(labels, 0.0) + amount  # type: ignore[index, arg-type]  # a key of it, or closed
        elif kind is Kind.HISTOGRAM:
            labels = raw if raw in self.histograms else self._close(raw)
            buckets = self.histograms.get(labels)  # type: ignore[arg-type]  # as above
            if buckets is None:
                buckets = self.histograms[labels] = Buckets()  # type: ignore[index]  # as above
            buckets.observe(amount)
        else:
            labels = self._close(raw)
            self.values.pop(labels, None)  # the one that was set last stands last
            self.values[labels] = amount

    def total(self, *by: str) -> dict[Labels, float]:
        """Return the values summed over every label but those named.

        Sums over the names of the configuration never fall: they have what names that are gone have counted."""
        at = [index for name in by for index, label in enumerate(self.family.labels) if label.name == name]
        is_by_name = any(isinstance(self.family.labels[index].words, Names) for index in at)
        sums: dict[Labels, float] = {}
        for held in (self.values,) if is_by_name else (self.values, self._gone):
            for labels, value in held.items():
                key = tuple(labels[index] for index in at)
                sums[key] = sums.get(key, 0.0) + value
        return sums

    def _forget(self, labels: Labels) -> None:
        self.histograms.pop(labels, None)
        value = self.values.pop(labels, None)
        if value is not None and self.family.kind is Kind.COUNTER:
            kept = self._close(labels)
            self._gone[kept] = self._gone.get(kept, 0.0) + value

    def _close(self, raw: tuple[object, ...]) -> Labels:
        return tuple(_word(value, closed) for value, closed in zip(raw, self._closed, strict=True))

    def _zeros(self, known: Vocabulary) -> Iterable[Labels]:
        """Return the labels of what stands at 0 from the start: of two names together, a provider with its own group alone."""
        names = [label.words for label in self.family.labels if isinstance(label.words, Names)]  # they stand first
        words = [sorted(closed) for closed in self._closed[len(names) :]]
        if prod(map(len, words)) > (MAX_ZEROS if names else MAX_NAMELESS_ZEROS):
            return ()
        if names == [Names.PROVIDERS, Names.GROUPS]:
            return [(*pair, *rest) for pair in sorted(known.group_of.items()) for rest in product(*words)]
        return product(*map(sorted, self._closed)) if len(names) <= 1 else ()


def _word(value: object, closed: frozenset[str]) -> str:
    if value is None:
        return NOBODY
    word = str(value)
    return word if word in closed else OTHER


def _is_in(word: str, words: frozenset[str]) -> bool:
    return word in words


def no_group(_provider: ProviderConfig) -> None:
    """Say that nobody has a restart table."""


@define(eq=False)
class Metrics:
    """A Listener over every event, whatever the log's level. Its one writer is the loop that tells.

    `group_of` gives the group of a provider's restart table, None for one without."""

    group_of: Callable[[ProviderConfig], str | None] = no_group
    _series: dict[str, Counts] = field(init=False)
    _rules: Mapping[str, tuple[tuple[Counts, Rows], ...]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._series = {family.name: Counts(family) for family in COUNTED}
        self._rules = {
            event: tuple((self._series[rule.family.name], rule.rows) for rule in rules) for event, rules in RULES.items()
        }
        self._know(Vocabulary())  # what is told before there is a configuration is about others

    def configure(self, config: RouterConfig) -> None:
        """Take over the names of a configuration."""
        known = Vocabulary(
            providers=frozenset(provider.name for provider in config.providers),
            profiles=frozenset(profile.name for profile in config.profiles),
            group_of={one.name: group for one in config.providers if (group := self.group_of(one)) is not None},
        )
        self._know(known)

    def told(self, told: Told) -> None:
        """Count one event."""
        for series, rows in self._rules.get(told.name, ()):
            for labels, amount in rows(told.fields):
                series.add(labels, amount)

    def series(self) -> Iterator[Counts]:
        """Yield every family with what it holds."""
        yield from self._series.values()

    def of(self, family: Family) -> Counts:
        """Return what one family holds."""
        return self._series[family.name]

    def _know(self, known: Vocabulary) -> None:
        for series in self._series.values():
            series.configure(known)
