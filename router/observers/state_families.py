"""The families that are read from the daemon's report at each scrape, and the reading of one of them."""

from __future__ import annotations

from attrs import frozen

from router.domain.health import Admission, CooldownReason, HealthState
from router.domain.spend import CapScope
from router.observers.families import PROVIDER, Family, Label, counter, gauge, words

# of managed servers and supervised children; compared by tests/router/observers/test_families.py
PROCESS_STATES = ("stopped", "starting", "loading", "ready", "stopping", "failed")
CHILD_STATES = ("running", "waiting", "exhausted", "ended")
# what `axis` can be, and the states of each
AXES: dict[str, tuple[str, ...]] = {
    "config": ("configured", "disabled", "unconfigured"),
    "health": words(HealthState),
    "admission": words(Admission),
    "rest": ("none", *words(CooldownReason), "memory-pressure"),
    "process": PROCESS_STATES,  # where the router manages the server
}


@frozen
class Reading:
    """One number of now; `labels` are the values, in the order of the family's labels."""

    family: Family
    value: float
    labels: tuple[str, ...] = ()


_CHILD, _SINK = Label("child", None), Label("sink", None)
_CAP = (Label("scope", words(CapScope)), Label("name", None))


UPTIME = gauge("uptime_seconds", "Since the start.")
BUILD = gauge("build_info", "Always 1; the version is in the label.", Label("version", None))
GENERATION = gauge("config_generation", "Number of the configuration at work; counts the reloads that were applied.")
CONFIG_REJECTED = gauge("config_rejected", "1 while the configuration on disk is refused, and an older one at work.")
ROUTABLE = gauge("default_profile_routable", "1 while a request to the default profile finds a provider.")
STOPPING = gauge("stopping", "1 while the router drains.")
DEGRADED = gauge("degraded_parts", "Parts that have given up while the rest goes on.")
IN_FLIGHT = gauge("requests_in_flight", "Requests to models that are being answered.")
RUNNING = gauge("requests_running", "Those that are worked on.")
WAITING = gauge("requests_waiting", "Those that wait for a place.")
ATTEMPTS_IN_FLIGHT = gauge("attempts_in_flight", "Attempts under way.", PROVIDER)

STATE = gauge(
    "provider_state",
    "1 for the state that a provider is in, on each axis.",
    PROVIDER,
    Label("axis", tuple(AXES)),
    Label("state", None),
)
EXCLUDED = gauge("excluded_seconds", "For how long a provider has been excluded or held; 0 for one that is in.", PROVIDER)
COOLDOWN = gauge("cooldown_seconds", "How long a provider still rests.", PROVIDER)
NEXT_PROBE = gauge("next_probe_seconds", "Until an excluded provider is probed again.", PROVIDER)
BACKOFF = gauge("backoff_level", "Exponent of the pause between recovery probes.", PROVIDER)
RESTARTS_USED = gauge("restart_budget_used", "Restarts in the window of the budget.", PROVIDER)
RESTARTS_MAX = gauge("restart_budget_max", "How many it allows.", PROVIDER)

SPENT = gauge("budget_spent_usd", "Spent in the period at hand.", *_CAP)
RESERVED = gauge("budget_reserved_usd", "Held by attempts under way.", *_CAP)
CAP = gauge("budget_cap_usd", "The cap, where there is one.", *_CAP)

CHILD_STATE = gauge("supervisor_state", "1 for the state that a part of the tree is in.", _CHILD, Label("state", CHILD_STATES))
CHILD_RESTARTS = counter("supervisor_restarts", "How often a part of the tree was started anew.", _CHILD)
SINK_LAG = gauge("sink_lag_seconds", "Age of the oldest change that is not on disk yet.", _SINK)
SINK_PENDING = gauge("sink_pending", "Changes that are not on disk yet.", _SINK)
DROPPED = counter("effects_dropped", "Changes and events that could not be kept.", Label("channel", None))
OBSERVER_FAILURES = counter("observer_failures", "Events that a listener inside the router failed at.", Label("observer", None))
LOG_DROPPED = counter("log_lines_dropped", "Lines that the log has lost: whoever reads stderr had stopped, or the disk was full.")

READ = tuple(value for value in list(globals().values()) if isinstance(value, Family))
