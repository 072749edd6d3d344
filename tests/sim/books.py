"""Budgets (BUDGET): no cap is passed by more than one reservation, nothing that was spent is forgotten, every answer is booked.

Read from the ledger's own report whenever no task can run; what must be in it comes from the configurations, from the
requests that were sent, and from what requests tell of their usage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import Any

from attrs import define, field, frozen

from router.config.schema import ProviderConfig, RouterConfig
from router.domain.spend import SpendReport, Standing
from router.routing.cost import Price, price_of
from router.state.rows import SPEND, Row

EPSILON = 1e-7
Account = tuple[str, str]  # what a cap is over, and whose


@frozen
class Largest:
    """The largest request so far: tokens of its prompt, at most, and of its answer."""

    prompt: int
    answer: int


@define(eq=False, kw_only=True)
class Books:
    """Follows the ledger of one life of the daemon."""

    report: Callable[[], SpendReport]
    in_flight: Callable[[], Mapping[str, int]]
    configs: Sequence[RouterConfig]  # that were at work in this life
    largest: Callable[[], Largest]
    broken: Callable[[str, str], None]
    _spent: dict[tuple[str, Account], float] = field(factory=dict)  # by period
    _above: dict[Account, float] = field(factory=dict)  # what stood there when a reload, or a start, lowered the cap
    _takes_up: bool = False
    _is_mixed: bool = False  # a provider may have begun afresh, and the attempts of its former self are not counted
    _billed: dict[tuple[str, str], float] = field(factory=dict)  # by month and provider: the least that was spent in this life
    _first: dict[tuple[str, str], float] = field(factory=dict)  # spent when the first of that was billed
    _prices: dict[tuple[int, str], list[Price]] = field(factory=dict)

    def quiet(self) -> SpendReport:
        """Check every budget; return how they stand."""
        report = self.report()
        flying = self.in_flight()
        if self._takes_up:
            self._takes_up, self._above = False, _standing_now(report)
        for account, period, standing in _standings(report):
            self._only_grows(account, period, standing)
            self._is_kept(account, standing)
        self._is_mixed &= any(flying.values()) or report.monthly.reserved_usd > 0
        for name, standing in report.providers.items() if not self._is_mixed else ():
            self._reserved(name, standing, flying.get(name, 0))
        for (month, name), usd in self._billed.items():
            one = report.providers.get(name)
            if month == report.month and one is not None and one.spent_usd + EPSILON < self._first[month, name] + usd:
                self.broken("BUDGET", f"{name}: {one.spent_usd} spent, {self._first[month, name]} + {usd} was billed")
        return report

    def taken_up(self) -> None:
        """Take notice that the books of an earlier daemon count from here on: its caps may have been higher."""
        self._takes_up = True

    def reloaded(self) -> None:
        """Take notice of other caps: what is above one already may stay there."""
        self._is_mixed = True
        self._above = _standing_now(self.report())

    def answered(self, fields: Mapping[str, object]) -> None:
        """Take the end of a request: a whole answer of the only provider that was asked is billed by its usage."""
        chain = fields["chain"]
        if fields["outcome"] != "ok" or not isinstance(chain, list) or len(chain) != 1 or fields["estimated"]:
            return
        provider, _, word = str(chain[0]).partition(":")
        prices = self.prices(provider)
        if word != "ok" or not prices:
            return
        prompt, said = (int(str(fields[key] or 0)) for key in ("input_tokens", "output_tokens"))
        report = self.report()
        key = (report.month, provider)
        usd = min(prompt * price.input_usd + said * price.output_usd for price in prices)
        if key not in self._first:
            self._first[key] = self._spent.get((report.month, ("provider", provider)), 0.0)  # before this moment
        self._billed[key] = self._billed.get(key, 0.0) + usd

    def asked(self, fields: Mapping[str, Any]) -> None:
        """Take the chain of a request: nobody is asked over whose head a cap is reached, the last resort included (I16)."""
        report, profile = self.report(), fields["profile"]
        over_all = [report.monthly, report.daily, *(one for name, one in report.profiles.items() if name == profile)]
        for name in fields["chain"]:
            one = report.providers.get(name)
            costs = any(not price.is_free for price in self.prices(name)[-1:])
            if (one is not None and one.is_full) or (costs and any(standing.is_full for standing in over_all)):
                self.broken("I16", f"{name} is asked for {profile}, and a cap is reached: {one}, {over_all}")

    def prices(self, provider: str) -> list[Price]:
        """Return the prices of a provider under each configuration that has it."""
        known = self._prices.get((len(self.configs), provider))
        if known is None:
            found = [(config, table) for config in self.configs for table in config.providers if table.name == provider]
            known = self._prices[len(self.configs), provider] = [price_of(table, config.prices) for config, table in found]
        return known

    def _only_grows(self, account: Account, period: str, standing: Standing) -> None:
        before = self._spent.get((period, account), 0.0)
        if standing.spent_usd < before - EPSILON:
            self.broken("BUDGET", f"{account} of {period}: {standing.spent_usd} spent after {before}")
        self._spent[period, account] = standing.spent_usd

    def _is_kept(self, account: Account, standing: Standing) -> None:
        if standing.cap_usd is None:
            return
        names = [account[1]] if account[0] == "provider" else [table.name for table in self._providers()]
        allowed = max(standing.cap_usd, self._above.get(account, 0.0)) + max(map(self._reservation, names), default=0.0)
        if standing.spent_usd + standing.reserved_usd > allowed + EPSILON:
            self.broken("BUDGET", f"{account}: {standing} is more than {allowed}, the cap and one reservation")

    def _reservation(self, provider: str) -> float:
        """Return the largest estimate of one attempt so far."""
        size = self.largest()
        return max((size.prompt * p.input_usd + size.answer * p.output_usd for p in self.prices(provider)), default=0.0)

    def _reserved(self, name: str, standing: Standing, attempts: int) -> None:
        answer = self.largest().answer
        least = attempts * min((answer * price.output_usd for price in self.prices(name)), default=0.0)
        most = attempts * self._reservation(name)
        if not least - EPSILON <= standing.reserved_usd <= most + EPSILON:
            self.broken("BUDGET", f"{name}: {attempts} attempts reserve {standing.reserved_usd}, {least} to {most} is theirs")

    def _providers(self) -> Iterator[ProviderConfig]:
        return (table for config in self.configs for table in config.providers)


@frozen
class Noted:
    """What was spent from `at` on, virtual time, of a period."""

    at: float
    period: str
    usd: float


@define(eq=False, kw_only=True)
class KeptBooks:
    """Across lives: what the state file says of the month, and what a new daemon takes up of it."""

    broken: Callable[[str, str], None]
    _noted: list[Noted] = field(factory=list)  # of this life, in order
    _periods: tuple[str, str] = ("", "")  # at hand: of others some are forgotten

    def begin(self, opened: Sequence[Row] | None, on_disk: Sequence[Row], report: SpendReport) -> None:
        """Compare the books of a new daemon with the file. `opened` is None where it could not be read yet."""
        rows = _totals(on_disk)
        self._noted = [Noted(-inf, period, usd) for period, usd in rows.items()]
        if opened is None:
            return
        for period, standing in ((report.month, report.monthly), (report.day, report.daily)):
            if abs(standing.spent_usd - rows.get(period, 0.0)) > EPSILON:
                self.broken("BUDGET", f"{period}: {standing.spent_usd} taken up, the file has {rows.get(period, 0.0)}")

    def note(self, report: SpendReport, now: float) -> None:
        """Take notice of what is spent now."""
        self._periods = (report.month, report.day)
        last = {noted.period: noted.usd for noted in self._noted}
        for period, standing in ((report.month, report.monthly), (report.day, report.daily)):
            if standing.spent_usd != last.get(period, 0.0):
                self._noted.append(Noted(now, period, standing.spent_usd))

    def died(self, rows: Sequence[Row], written_to: float) -> None:
        """Compare the file with what was spent when it was written last."""
        found = _totals(rows)
        owed: dict[str, float] = {}
        for noted in self._noted:
            if noted.at < written_to or noted.at == -inf:
                owed[noted.period] = max(owed.get(noted.period, 0.0), noted.usd)
        for period, usd in owed.items():
            if period in self._periods and found.get(period, 0.0) < usd - EPSILON:
                self.broken("BUDGET", f"{period}: the file has {found.get(period, 0.0)}, {usd} was spent when it was written")


def _standings(report: SpendReport) -> Iterator[tuple[Account, str, Standing]]:
    yield ("month", ""), report.month, report.monthly
    yield ("day", ""), report.day, report.daily
    for name, one in report.providers.items():
        yield ("provider", name), report.month, one
    for name, one in report.profiles.items():
        yield ("profile", name), report.month, one


def _standing_now(report: SpendReport) -> dict[Account, float]:
    return {account: one.spent_usd + one.reserved_usd for account, _, one in _standings(report)}


def _totals(rows: Sequence[Row]) -> dict[str, float]:
    return {row.key: float(str(row.value["total_usd"])) for row in rows if row.namespace == SPEND}
