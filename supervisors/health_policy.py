"""From the configuration to each provider's numbers of the health rule (founding decision 10; supervision.md 21.5.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from router.config.schema import ProfileConfig, ProviderConfig, RouterConfig
from router.domain.health import HealthPolicy

THRESHOLD = 3  # of a provider that no profile lists
PROBE_INITIAL_S, PROBE_MAX_S = 30.0, 300.0  # of the same
RESTART_TIMEOUT_S = 30.0  # of the same


def health_policies(config: RouterConfig) -> dict[str, HealthPolicy]:
    """Return the policy of every configured provider."""
    return {provider.name: health_policy(provider, config) for provider in config.providers}


def health_policy(provider: ProviderConfig, config: RouterConfig) -> HealthPolicy:
    """Return one provider's policy: its own threshold, else the smallest of the profiles that list it."""
    listing = [profile for profile in config.profiles if provider.name in profile.providers]
    restart = provider.restart
    return HealthPolicy(
        threshold=provider.health_threshold or min((p.backend_health_threshold for p in listing), default=THRESHOLD),
        excludes=any(profile.backend_health_action == "exclude" for profile in listing),
        probe_initial_s=min((p.recovery_probe_initial_s for p in listing), default=PROBE_INITIAL_S),
        probe_max_s=min((p.recovery_probe_max_s for p in listing), default=PROBE_MAX_S),
        auth_cooldown_s=config.routing.auth_cooldown_s,
        can_restart=restart is not None,
        after_probes=1 if restart is None else restart.after_probes,
    )


def restart_timeout_s(providers: Iterable[str], profiles: Iterable[ProfileConfig]) -> float:
    """Return how long a restart command may take whose table does not say: the longest of the profiles of any of `providers`."""
    names = set(providers)
    return max((profile.restart_timeout_s for profile in profiles if names & set(profile.providers)), default=RESTART_TIMEOUT_S)
