"""Invariants over the events that the daemon tells: each is a fact, so together they have to make sense."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import Any

from attrs import define, field, frozen

from router.config.schema import ProfileConfig, RouterConfig
from router.errors import FailureReason
from router.routing.chain import SOFT
from supervisors.health_board import HealthBoard

REASONS = frozenset(str(reason) for reason in FailureReason)
DELTA_S = 0.2  # durations are told in tenths


@frozen
class Standing:
    """What the events have told of a provider."""

    health: str
    admission: str
    gen: int


@define(eq=False, kw_only=True)
class Told:
    """Folds the events of one life of the daemon."""

    broken: Callable[[str, str], None]
    configs: list[RouterConfig]  # every one that was at work; a request keeps the one that it began with
    now: Callable[[], float]
    is_wall_true: Callable[[], bool]  # nobody has set the clock: budgets can be checked by it
    drifting: Callable[[], frozenset[str]] = frozenset  # providers that are asked behind the others for their answers
    standings: dict[str, Standing] = field(factory=dict)
    verdicts: Counter[tuple[str, bool]] = field(factory=Counter)  # attempts by provider and success, less those on the board
    are_verdicts_mixed: bool = False
    count_of_events: int = 0
    out: dict[str, int] = field(factory=dict)  # the generation in which a provider is excluded or held
    excluded_gens: dict[str, set[int]] = field(factory=dict)
    restarts: dict[str, list[tuple[float, float]]] = field(factory=dict)  # by group: start and end, virtual time
    _demoted: set[str] = field(factory=set)  # of the plan that is being told
    _over_budget: set[tuple[str, str]] = field(factory=set)  # same, with the request
    _last_resort_of: str = ""

    def take(self, name: str, fields: Mapping[str, Any]) -> None:  # noqa: C901, PLR0912 - one row per event
        """Take one event."""
        self.count_of_events += 1
        match name:
            case "chain-resolved":
                self._chain(fields)
            case "request-complete":
                self._complete(fields["chain"])
            case "config-reload":
                self.are_verdicts_mixed = True  # a provider may have begun afresh under its requests
            case "chain-empty":
                self._empty(fields)
            case "skip-budget-exceeded":
                self._over_budget.add((fields["request_id"], fields["provider"]))
            case "demote-unhealthy-provider":
                self._demoted.add(fields["provider"])
            case "chain-last-resort":
                self._last_resort(fields)
            case "self-healing-exclude":
                self._excluded(fields)
            case "self-healing-hold":
                self.out[fields["provider"]] = fields["gen"]
            case "self-healing-state-restored":
                self.out[fields["provider"]] = fields["gen"]  # or was, before today's policy was asked
            case "self-healing-restore":
                self._restored(fields)
            case "self-healing-restart":
                self._restart(fields)
            case "drift-reload-attempted" if "interrupted" not in fields["detail"]:  # then it may not even have begun
                self._reload(fields["provider"])
        if "admission" in fields and "provider" in fields:
            self.standings[fields["provider"]] = Standing(fields["health"], fields["admission"], fields["gen"])

    def check(self, board: HealthBoard) -> None:
        """Compare what was told with what is (I26)."""
        for cell in board.cells():
            health, standing = cell.health, self.standings.get(cell.name)
            known = Standing("healthy", "admitted", 0) if standing is None else standing
            if (known.health, known.admission, known.gen) != (health.state, health.admission, health.gen):
                self.broken("I26", f"{cell.name}: told {known}, is {health.state} {health.admission} {health.gen}")

    def reads_on_s(self, provider: str) -> float:
        """Return how long an attempt at a provider may go on without its client, under any configuration that was at work."""
        return max(
            (
                p.drain_max_s
                for config in self.configs
                for p in config.providers
                if (p.name, p.on_disconnect) == (provider, "drain")
            ),
            default=0.0,
        )

    def count(self, provider: str, *, is_ok: bool) -> None:
        """Take a verdict of traffic that the board was told."""
        self.verdicts[provider, is_ok] -= 1

    def check_verdicts(self) -> None:
        """With no request under way: each attempt that its request tells of was a verdict, and nothing else was."""
        wrong = {key: count for key, count in self.verdicts.items() if count}
        self.verdicts.clear()
        if wrong and not self.are_verdicts_mixed:
            self.broken("verdicts", f"attempts that requests tell of, less verdicts, by provider and success: {wrong}")
        self.are_verdicts_mixed = False

    def _complete(self, chain: Sequence[str]) -> None:
        for attempt in chain:
            provider, _, word = attempt.partition(":")
            if word == "ok" or word in REASONS:
                self.verdicts[provider, word == "ok"] += 1

    def forget(self, provider: str) -> None:
        """Forget a provider that has left the configuration, or begins afresh."""
        self.standings.pop(provider, None)
        self.excluded_gens.pop(provider, None)
        self.out.pop(provider, None)

    def _chain(self, fields: Mapping[str, Any]) -> None:
        demoted, is_last_resort = self._demoted, fields["request_id"] == self._last_resort_of
        self._demoted, self._last_resort_of = set(), ""
        self._asked_though_spent(fields)
        ahead = [name for name in fields["chain"] if name not in demoted | self.drifting()]
        profiles = [(config, p) for config in self.configs for p in config.profiles if p.name == fields["profile"]]
        orders = [(profile.providers, reorderings(config, profile)) for config, profile in profiles]
        if not is_last_resort and not any(runs_needed(ahead, declared) <= most for declared, most in orders):
            self.broken("I14", f"{fields['chain']} without {demoted} is not in the order of {orders}")

    def _asked_though_spent(self, fields: Mapping[str, Any]) -> None:
        """Check that nobody is asked whose budget is said to be reached, the last resort included (I16)."""
        spent = {provider for request_id, provider in self._over_budget if request_id == fields["request_id"]}
        self._over_budget.clear()
        if spent & set(fields["chain"]):
            self.broken("I16", f"{fields['chain']} is asked, and the budget of {spent} is reached")

    def _empty(self, fields: Mapping[str, Any]) -> None:
        soft = [entry["provider"] for entry in fields["skipped"] if entry["reason"] in {str(reason) for reason in SOFT}]
        if soft and self.configs[-1].routing.last_resort:
            self.broken("I15", f"nobody is asked for {fields['profile']}, though {soft} could be")

    def _last_resort(self, fields: Mapping[str, Any]) -> None:
        self._last_resort_of = fields["request_id"]
        config = self.configs[-1]
        paid = {provider.name for provider in config.providers if provider.paid}
        if not config.routing.allow_paid and paid & set(fields["providers"]):
            self.broken("I16", f"the last resort {fields['providers']} costs money")

    def _excluded(self, fields: Mapping[str, Any]) -> None:
        name, gen = fields["provider"], fields["gen"]
        gens = self.excluded_gens.setdefault(name, set())
        if gen in gens:
            self.broken("I18", f"{name}: generation {gen} was excluded twice")
        gens.add(gen)
        self.out[name] = gen

    def _restored(self, fields: Mapping[str, Any]) -> None:
        if fields["excluded_duration_s"] < 0:
            self.broken("I18", f"{fields['provider']}: excluded for {fields['excluded_duration_s']} s")
        gen = self.out.pop(fields["provider"], None)
        if gen != fields["gen"]:
            self.broken("I18", f"{fields['provider']}: restored in generation {fields['gen']}, was out in {gen}")

    def _reload(self, provider: str) -> None:
        if any(p.paid for p in self.configs[-1].providers if p.name == provider):
            self.broken("reload", f"{provider} costs money, and was asked to empty its cache")

    def _restart(self, fields: Mapping[str, Any]) -> None:
        group, end = str(fields["group"]), self.now()
        start = end - fields["duration_s"]
        runs = self.restarts.setdefault(group, [])
        if runs and start < runs[-1][1] - DELTA_S:
            self.broken("I4", f"two restarts of {group} at once: {runs[-1]}, {(start, end)}")
        runs.append((start, end))
        restart = next((p.restart for p in self.configs[-1].providers if p.name in fields["providers"]), None)
        if restart is None or not self.is_wall_true():
            return
        recent = [begun for begun, _ in runs if start - begun < restart.window_s - DELTA_S]
        if len(recent) > restart.max:
            self.broken("I4", f"{len(recent)} restarts of {group} within {restart.window_s} s, {restart.max} are allowed")


def runs_needed(some: Sequence[str], whole: Sequence[str]) -> float:
    """Return into how many parts `some` falls that are each in the order of `whole`; infinity for a name that is not in it."""
    if not set(some) <= set(whole):
        return inf
    places = [whole.index(name) for name in some]
    return 1 + sum(later <= earlier for earlier, later in pairwise(places))


def reorderings(config: RouterConfig, profile: ProfileConfig) -> float:
    """Return how many such parts a chain of the profile may have: what does not fit goes behind, who is known comes first."""
    if profile.adaptive:
        return inf
    windows = any(p.max_context_tokens is not None for p in config.providers if p.name in profile.providers)
    return (2 if windows else 1) * (2 if profile.sticky else 1)
