"""One configuration at work: everything that a request needs and keeps until its end, whatever is reloaded meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from router.config.schema import ProfileConfig, RouterConfig
from router.domain.request import DialectName
from router.ingress.grammar_check import GrammarTally
from router.ports import HealthView, Observer
from router.routing.chain import Member, Plan, resolve
from router.routing.dispatch import Upstreams
from router.routing.profile import ProfileTable
from router.wire.dialect import Dialect, Minting


@frozen(kw_only=True)
class Generation:
    """Built by `router/assembly.py`; `dialects` are the ones that clients may speak."""

    config: RouterConfig
    profiles: Mapping[str, ProfileConfig]
    table: ProfileTable
    dialects: Mapping[DialectName, Dialect]
    upstreams: Upstreams
    health: HealthView
    observer: Observer
    minting: Minting
    tally: GrammarTally = field(factory=GrammarTally)

    def plan(self, profile: ProfileConfig, now: float) -> Plan:
        """Return who is asked for a request of `profile`; `now` on trio's clock."""
        configs = self.upstreams.configs
        members = tuple(Member(config=configs[name], status=self.health.status_of(name)) for name in profile.providers)
        return resolve(profile, members, self.config.routing, now)
