"""One configuration at work: everything that a request needs and keeps until its end, whatever is reloaded meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from router.config.capability_table import read_builtin
from router.config.schema import ProfileConfig, RouterConfig
from router.ingress.grammar_check import GrammarTally
from router.ingress.live_requests import LiveRequests
from router.observers.capture import Capture
from router.ports import HealthView, Observer
from router.providers.capabilities import Capabilities, resolve_capabilities
from router.routing.chain import Member, Plan, RankFacts, resolve
from router.routing.cost import price_of
from router.routing.dispatch import Upstreams
from router.routing.limits import Fairness
from router.routing.memory import Memory
from router.routing.profile import ProfileTable
from router.wire.dialect import Minting

_AS_OTHERS = RankFacts()
_EVERYBODY: Mapping[str, RankFacts] = {}


@frozen(kw_only=True)
class Generation:
    """Built by `router/assembly.py`."""

    config: RouterConfig
    upstreams: Upstreams
    health: HealthView
    observer: Observer
    minting: Minting
    memory: Memory = field(factory=Memory)  # the daemon's own, as is `fairness`: both outlive this generation
    fairness: Fairness = field(factory=Fairness)
    live: LiveRequests = field(factory=LiveRequests)  # the same
    tally: GrammarTally = field(factory=GrammarTally)
    capture: Capture | None = None  # requests are recorded
    is_exported: bool = False  # spans go to a collector: the one of the start, whatever a reload has said since
    profiles: Mapping[str, ProfileConfig] = field(init=False)
    table: ProfileTable = field(init=False)
    _declared: Mapping[str, Capabilities] = field(init=False)  # of each provider, with where each fact comes from

    @profiles.default
    def _by_name(self) -> Mapping[str, ProfileConfig]:
        return {profile.name: profile for profile in self.config.profiles}

    @table.default
    def _table_of(self) -> ProfileTable:
        return ProfileTable.of(self.config)

    @_declared.default
    def _resolved(self) -> Mapping[str, Capabilities]:
        rules, builtin = self.config.capability_rules, read_builtin()
        return {name: resolve_capabilities(config, rules, builtin) for name, config in self.upstreams.configs.items()}

    counted: frozenset[str] = field(
        init=False
    )  # whose requests are counted in tokens beforehand: they cost, or have limits of them

    @counted.default
    def _costing_or_limited(self) -> frozenset[str]:
        prices = self.config.prices
        return frozenset(
            name
            for name, config in self.upstreams.configs.items()
            if config.limits.tokens_per_minute is not None or not price_of(config, prices).is_free
        )

    @property
    def capabilities(self) -> Mapping[str, Capabilities]:
        """What each provider can do, with the window that its server tells."""
        return self.memory.servers.corrected(self._declared)

    @property
    def signs(self) -> bool:
        """Several servers sign thinking, so that it matters whose a signature is."""
        return len({config.base_url for config in self.upstreams.configs.values() if config.kind == "anthropic"}) > 1

    @property
    def keeps_sessions(self) -> bool:
        """Something of this configuration asks which conversation a request belongs to."""
        return bool(self.table.sticky) or any(config.slot_affinity_slots for config in self.upstreams.configs.values())

    def plan(self, profile: ProfileConfig, now: float, facts: Mapping[str, RankFacts] = _EVERYBODY) -> Plan:
        """Return who is asked for a request of `profile`; `now` on trio's clock. Whose standing is not told is as others."""
        configs = self.upstreams.configs
        members = tuple(
            Member(config=configs[name], status=self.health.status_of(name), facts=facts.get(name, _AS_OTHERS))
            for name in profile.providers
        )
        return resolve(profile, members, self.config.routing, now)
