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


UPTIME = gauge("uptime_seconds", "Time since the start.")
BUILD = gauge("build_info", "Always 1; the version is in the label.", Label("version", None))
GENERATION = gauge("config_generation", "Number of the active configuration; counts the reloads that were applied.")
CONFIG_REJECTED = gauge("config_rejected", "1 while the configuration on disk is refused and an older one is active.")
ROUTABLE = gauge("default_profile_routable", "1 while the default profile has a usable provider.")
STOPPING = gauge("stopping", "1 while the router is stopping.")
DEGRADED = gauge("degraded_parts", "Parts that have given up while the rest keeps running.")
IN_FLIGHT = gauge("requests_in_flight", "Requests to models in progress.")
RUNNING = gauge("requests_running", "Requests to models that are being worked on.")
WAITING = gauge("requests_waiting", "Requests to models that wait for a place.")
ATTEMPTS_IN_FLIGHT = gauge("attempts_in_flight", "Attempts in progress.", PROVIDER)

STATE = gauge(
    "provider_state",
    "1 for the current state of a provider, on each axis.",
    PROVIDER,
    Label("axis", tuple(AXES)),
    Label("state", None),
)
EXCLUDED = gauge("excluded_seconds", "How long a provider has been excluded or held; 0 if it is neither.", PROVIDER)
COOLDOWN = gauge("cooldown_seconds", "Remaining cooldown of a provider.", PROVIDER)
NEXT_PROBE = gauge("next_probe_seconds", "Time until the next probe of an excluded provider.", PROVIDER)
BACKOFF = gauge("backoff_level", "Exponent of the pause between recovery probes.", PROVIDER)
RESTARTS_USED = gauge("restart_budget_used", "Restarts used in the window of the restart budget.", PROVIDER)
RESTARTS_MAX = gauge("restart_budget_max", "Restarts that the restart budget allows.", PROVIDER)

SPENT = gauge("budget_spent_usd", "Spent in the current period.", *_CAP)
RESERVED = gauge("budget_reserved_usd", "Reserved by attempts in progress.", *_CAP)
CAP = gauge("budget_cap_usd", "The cap, if there is one.", *_CAP)

CHILD_STATE = gauge("supervisor_state", "1 for the current state of a part of the tree.", _CHILD, Label("state", CHILD_STATES))
CHILD_RESTARTS = counter("supervisor_restarts", "How often a part of the tree was restarted.", _CHILD)
SINK_LAG = gauge("sink_lag_seconds", "Age of the oldest change that is not on disk yet.", _SINK)
SINK_PENDING = gauge("sink_pending", "Changes that are not on disk yet.", _SINK)
DROPPED = counter("effects_dropped", "Changes and events that could not be kept.", Label("channel", None))
OBSERVER_FAILURES = counter(
    "observer_failures", "Events that a listener inside the router failed to handle.", Label("observer", None)
)
LOG_DROPPED = counter("log_lines_dropped", "Log lines that were lost: the reader of stderr had stopped, or the disk was full.")

READ = tuple(value for value in list(globals().values()) if isinstance(value, Family))
