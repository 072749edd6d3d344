"""How the providers of a profile stand for one request: what it needs, what is remembered of them, what they may still cost."""

from __future__ import annotations

from collections.abc import Mapping

from router.ingress.generation import Generation
from router.ingress.turn import Turn
from router.routing.adaptive import applied_facts, effective_order
from router.routing.capability_gate import fit
from router.routing.chain import RankFacts


def rank_facts(turn: Turn, generation: Generation, now: float, request_id: str) -> Mapping[str, RankFacts]:
    """Return the standing of each provider of the profile of that request; `now` on trio's clock."""
    profile, memory = turn.profile, generation.memory
    needs = turn.needs
    demotions = _demotions(turn, generation, now, request_id)
    sticky = turn.sticky_provider(now)
    told = {}
    for name in profile.providers:
        fitting = fit(generation.capabilities[name], needs, factor=memory.calibrations.weights(name).factor)
        told[name] = RankFacts(
            overflows=fitting.overflows,
            unfit=fitting.lacking,
            demotion=demotions.get(name, 0),
            is_sticky=name == sticky,
            blocked=generation.upstreams.spending.blocked(name, profile.name),
        )
    return told


def _demotions(turn: Turn, generation: Generation, now: float, request_id: str) -> Mapping[str, int]:
    """Return how far each provider stands behind its place; under `shadow` that is only told."""
    profile, config, adaptive = turn.profile, generation.config.adaptive, generation.memory.adaptive
    if not profile.adaptive or config.mode == "off":
        return {}
    chain = profile.providers
    stats = adaptive.stats(chain, config, now)
    demotions = adaptive.demotions(profile.name, stats, config, now)
    if (order := effective_order(chain, demotions)) != tuple(chain):
        facts = applied_facts(chain, order, stats)
        about = {"request_id": request_id, "profile": profile.name, "mode": config.mode}
        generation.observer.event("adaptive-routing-applied", {**about, **facts})
    return demotions if config.mode == "on" else {}
