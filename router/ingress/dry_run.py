"""Every decision for one request as the handler would take it, by the very functions that the handler calls; nothing is sent.

What only the running daemon knows, health, spending and all that is learned, stands at its beginning: everybody is well,
nothing is spent, nobody has answered yet."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from math import inf

import orjson
from attrs import field, frozen

from router.config.schema import LoadedConfig, ProviderConfig
from router.domain.health import ProviderStatus, Unconfigured
from router.domain.spend import Blocked, CapScope, Standing
from router.errors import InvalidRequest, MethodNotAllowed, NotFound
from router.guards.context_budget import BudgetVerdict, usable_window
from router.guards.tool_loop import rejection
from router.ingress.canary import Unheard
from router.ingress.generation import Generation
from router.ingress.guarding import budget_verdict, tool_verdict
from router.ingress.rank_facts import rank_facts
from router.ingress.routes import ModelRoute, Operation, find_target
from router.ingress.turn import Turn
from router.providers.adapter import HttpProvider, build_provider
from router.providers.remedies import RefusedFeatures
from router.providers.slot_affinity import ID_SLOT, slot_of
from router.routing.budget import Books, Caps, accounts_of, cap_over
from router.routing.capability_gate import fit
from router.routing.continuation import prefill_style, prefilled
from router.routing.cost import costs_money, estimate_usd, price_of
from router.routing.dispatch import Upstreams
from router.routing.explanation import Costing, Explanation, ProviderView, Putting, Way
from router.routing.unbooked import Unbooked
from router.wire.anthropic.deferred_tools import Deferral, decide, has_deferred
from router.wire.dialect import Minting
from router.wire.registry import DIALECTS

_SAID = "I will look at the file, and then"  # any answer that has begun
_PERIODS: Mapping[CapScope, str] = {CapScope.DAY: "today"}


_QUESTION = b'{"model":"","max_tokens":1024,"messages":[{"role":"user","content":"Hello"}]}'


def route_of(path: str, query: str = "") -> ModelRoute | None:
    """Return the route that a path is of, None for one that asks no model for an answer."""
    try:
        target = find_target("POST", path, query)
    except (NotFound, MethodNotAllowed):
        return None
    return target if isinstance(target, ModelRoute) and target.operation is Operation.GENERATE else None


def question_for(route: ModelRoute) -> bytes:
    """Return a short question in a route's own words."""
    dialect = DIALECTS[route.dialect]
    return _QUESTION if dialect.is_plain else orjson.dumps(dialect.probe_body("", stream=False))


@frozen(kw_only=True)
class Letter:
    """A request that did not come over a connection. `headers` are by lower-case name."""

    path: str
    route: ModelRoute
    headers: Mapping[str, str] = field(factory=dict)
    request_id: str = "explain"
    opened_at: float = 0.0


@frozen
class AllWell:
    """Health as a configuration knows it: who has no key is not asked, everybody else is well."""

    unconfigured: Mapping[str, Unconfigured]

    def status_of(self, provider: str) -> ProviderStatus:
        """Return a provider that is well."""
        return ProviderStatus(name=provider, unconfigured=self.unconfigured.get(provider))


@frozen
class NoServers:
    """Backends of a run in which nothing is sent."""

    def lease(self, provider: str) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 - all are alike
        """Hold nothing."""
        return nullcontext()


@frozen(kw_only=True)
class NothingSpent(Unbooked):
    """Budgets of which nothing is spent: only a cap of 0 keeps anybody back."""

    caps: Caps
    costly: frozenset[str]

    def blocked(self, provider: str, profile: str) -> Blocked | None:
        """Return the cap of 0 that the provider is under."""
        cap = cap_over(provider, profile, Books(), self.caps, lambda _account: 0.0, costs=provider in self.costly)
        if cap is None:
            return None
        scope, name = cap
        period, standing = _PERIODS.get(scope, "this month"), Standing(cap_usd=self.caps.by_account[cap])
        return Blocked(scope=scope, name=name, standing=standing, period=period, left_s=inf)


@frozen(kw_only=True)
class DryRun:
    """One configuration, ready to be asked what it would do."""

    generation: Generation
    providers: Mapping[str, HttpProvider]
    caps: Caps
    costly: frozenset[str]

    @classmethod
    def of(cls, loaded: LoadedConfig) -> DryRun:
        """Put a configuration together; opens no connection."""
        config, unheard = loaded.config, Unheard()
        caps = Caps.of(config)
        costly = frozenset(p.name for p in config.providers if costs_money(p, price_of(p, config.prices)))
        providers = {p.name: build_provider(p, loaded.secrets, NoServers(), unheard) for p in config.providers}
        generation = Generation(
            config=config,
            upstreams=Upstreams(
                providers=providers,
                configs={provider.name: provider for provider in config.providers},
                sink=unheard,
                spending=NothingSpent(caps=caps, costly=costly),
                observer=unheard,
                random=lambda: 0.5,
            ),
            health=AllWell(loaded.secrets.unconfigured),
            observer=unheard,
            minting=Minting(new_id=lambda prefix: prefix, now=lambda: 0),
        )
        return cls(generation=generation, providers=providers, caps=caps, costly=costly)

    def explain(self, letter: Letter, body: bytes) -> Explanation:
        """Return the decisions for one request.

        Raises InvalidRequest and its leaves for a request that would be refused before the first provider is asked."""
        generation = self.generation
        turn = Turn.read(generation, letter, letter.route, body)
        turn.dialect.check_request(turn.document)
        verdict = tool_verdict(turn)
        turn.hints = verdict.hints
        now = letter.opened_at
        plan = generation.plan(turn.profile, now, rank_facts(turn, generation, now, letter.request_id))
        order = [*(entry.provider for entry in plan.order), *(drop.provider for drop in plan.dropped)]
        views = tuple(self._view(turn, generation.upstreams.configs[name]) for name in order)
        if plan.order and (refused := views[0].refused) is not None:
            raise refused
        return Explanation(
            route=letter.path,
            choice=turn.choice,
            profile=turn.profile,
            agent=turn.agent,
            session=turn.session,
            is_stream=turn.is_stream,
            keeps_text=turn.keeps_text,
            tokens=turn.count(),
            offered_tools=len(turn.offer().tools),
            needs=turn.needs,
            calls=sum(1 for _ in turn.dialect.recent_calls(turn.document)),
            verdict=verdict,
            rejected=rejection(verdict, turn.profile.name),
            plan=plan,
            views=views,
        )

    def _view(self, turn: Turn, config: ProviderConfig) -> ProviderView:
        capabilities = self.generation.capabilities[config.name]
        budget, putting, refused = None, None, None
        try:
            budget = None if turn.profile.context_budget_action == "off" else budget_verdict(turn, config)
            putting = self._putting(turn, config, budget)
        except InvalidRequest as error:
            refused = error
        return ProviderView(
            config=config,
            capabilities=capabilities,
            fit=fit(capabilities, turn.needs, factor=turn.weights(config).factor),
            usable=usable_window(capabilities.window, turn.max_tokens),
            budget=budget,
            putting=putting,
            refused=refused,
            goes_on=refused is None and _goes_on(turn, config, budget),
            costing=self._costing(turn, config),
            keys=sum(key.credential is not None for key in self.providers[config.name].keys.keys),
        )

    def _putting(self, turn: Turn, config: ProviderConfig, budget: BudgetVerdict | None) -> Putting:
        """Return how the request is put to one provider. Raises InvalidRequest where it cannot be."""
        provider, forced = self.providers[config.name], turn.forced(config)
        call = turn.call(provider, config, cut=budget)
        body = provider.bodies.encode(call, RefusedFeatures())
        is_relayed = call.same_dialect_body is not None
        rules = turn.staging(config).rules
        return Putting(
            way=Way.RELAYED if is_relayed else Way.FORCED if forced else Way.TRANSLATED,
            sent_bytes=len(body.content),
            notes=body.notes,
            forced=tuple(tool.name for tool in forced),
            thinking=turn.thinking(config),
            repair="" if rules.repair is None else rules.repair.mode,
            filters=() if rules.filters is None else rules.filters.names,
            deferral=_deferral(turn, provider, is_relayed=is_relayed),
            slot=_slot(turn, config),
        )

    def _costing(self, turn: Turn, config: ProviderConfig) -> Costing:
        price = price_of(config, self.generation.config.prices)
        accounts = accounts_of(config.name, turn.profile.name)
        under = accounts if config.name in self.costly else accounts[:1]
        return Costing(
            price=price,
            reserved_usd=estimate_usd(turn.priced_tokens(config), turn.max_tokens, price),
            caps={account[0]: self.caps.by_account[account] for account in under if account in self.caps.by_account},
        )


def _goes_on(turn: Turn, config: ProviderConfig, budget: BudgetVerdict | None) -> bool:
    """Tell whether a provider would be asked to go on with a begun answer to this request, whatever was said."""
    style = prefill_style(config)
    if style is None or not turn.keeps_text or (budget is not None and budget.state == "reject"):
        return False
    return prefilled(turn.request_for(config, budget), _SAID, style) is not None


def _deferral(turn: Turn, provider: HttpProvider, *, is_relayed: bool) -> Deferral | None:
    if not has_deferred(turn.document):
        return None
    if not is_relayed:
        return Deferral.EXPAND
    return decide(turn.profile.deferred_tools_action, is_vendor_host=provider.bodies.is_vendor_host, has_deferred=True)


def _slot(turn: Turn, config: ProviderConfig) -> int | None:
    slots = config.slot_affinity_slots
    if turn.session is None or slots is None or config.kind != "openai_compat" or ID_SLOT in config.extra_body:
        return None
    return slot_of(turn.session, slots)
