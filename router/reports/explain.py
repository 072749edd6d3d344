"""`router explain`: who would answer a request, and why the others would not; nothing is sent (routing.md 10.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from rich.text import Text

from router.config.schema import LoadedConfig, ProviderConfig
from router.domain.health import ProviderStatus
from router.reports.plain import THE_SERVERS, plain_console, plain_table
from router.routing.chain import RANK_KEYS, Entry, Member, Plan, resolve
from router.routing.profile import ProfileChoice, ProfileTable, choose
from router.wire.intake import take_router_keys

_KIND_OF_ROUTE = {"/v1/messages": "anthropic", "/v1/chat/completions": "openai_compat"}


@frozen(kw_only=True)
class Explanation:
    """The decision for one request. How each provider is doing is the running daemon's knowledge: see `explain`."""

    choice: ProfileChoice
    plan: Plan
    providers: Mapping[str, ProviderConfig]
    route: str

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return (place, provider, model, how, why) for everybody in the profile: those asked in order, then those left out."""
        asked = [
            (str(place), entry.provider, self._model(entry.provider), self._how(entry.provider), _rank(entry))
            for place, entry in enumerate(self.plan.order, start=1)
        ]
        left = [
            ("-", drop.provider, self._model(drop.provider), "left out", f"{drop.reason}: {drop.detail}".rstrip(": "))
            for drop in self.plan.dropped
        ]
        return [*asked, *left]

    def _model(self, name: str) -> str:
        return self.providers[name].model or THE_SERVERS

    def _how(self, name: str) -> str:
        is_same = self.providers[name].kind == _KIND_OF_ROUTE[self.route]
        return "relayed as it is" if is_same else f"translated to {self.providers[name].kind}"


def explain(
    loaded: LoadedConfig,
    *,
    route: str,
    body: Mapping[str, Any],
    profile: str | None,
) -> Explanation:
    """Return the decision for one request body on one route, if everybody were well.

    Raises InvalidRequest, UnknownProfile, UnknownMode."""
    config = loaded.config
    keys, model = take_router_keys(dict(body)), body.get("model")
    choice = choose(
        ProfileTable.of(config),
        body_profile=keys.profile,
        header_profile=profile,
        mode=keys.mode,
        model=model if isinstance(model, str) else "",
    )
    providers = {provider.name: provider for provider in config.providers}
    chosen = next(p for p in config.profiles if p.name == choice.profile)
    members = tuple(
        Member(
            config=providers[name],
            status=ProviderStatus(name=name, unconfigured=loaded.secrets.unconfigured.get(name)),
        )
        for name in chosen.providers
    )
    plan = resolve(chosen, members, config.routing, now=0.0)
    return Explanation(choice=choice, plan=plan, providers=providers, route=route)


def print_explanation(explanation: Explanation) -> None:
    """Print the decision as a table on stdout."""
    out, choice = plain_console(), explanation.choice
    out.print(Text(f"profile {choice.profile} (by {choice.why}), {explanation.route}"))
    out.print(plain_table(("place", "provider", "model", "how", "why"), explanation.rows()))


def _rank(entry: Entry) -> str:
    return ", ".join(f"{key} {number}" for key, number in zip(RANK_KEYS, entry.rank, strict=True))
