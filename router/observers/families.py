"""Every family that `/metrics` shows, as values: name, kind, what it says, and which words its labels can have.

Label sets are closed: names of the configuration and words of an enum, never text from a request (supervision.md 16.3, 16.4).
What is counted by events is here; what is read from the daemon's report at the scrape is in `state_families.py`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum, auto

from attrs import frozen

from router.config.schema_provider import OUTPUT_FILTERS
from router.domain.control import ReloadVerdict
from router.domain.health import HealthState
from router.domain.health_events import OperatorAction, ProbeVerdict, RefusalReason
from router.domain.outcome import AttemptOutcome
from router.domain.request import DialectName
from router.domain.spend import CacheOutcome
from router.errors import ErrorKind, FailureReason

PREFIX = "router_"  # decision 8
OTHER = "other"  # in the place of a word that nobody has listed
NOBODY = "none"  # in the place of a name that a request never got: it was over before it had a profile, say

# from a local model that has the prompt in its cache to one that reads half an hour; seconds
LATENCY_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1200, 1800)


class Kind(StrEnum):
    """What kind of number a family holds."""

    COUNTER = auto()
    GAUGE = auto()
    HISTOGRAM = auto()


class Names(StrEnum):
    """Words that the configuration gives, and a reload changes."""

    PROVIDERS = "the configured providers"
    PROFILES = "the configured profiles"
    GROUPS = "the groups of the restart tables"


@frozen
class Label:
    """One label and the words that it can have, None for those that only the daemon's own report knows."""

    name: str
    words: tuple[str, ...] | Names | None


@frozen
class Family:
    """One family; `name` is what queries ask for, with `_total` for a counter."""

    name: str
    kind: Kind
    about: str
    labels: tuple[Label, ...] = ()


# the words of enums that live in rooms which this one cannot see; tests/router/observers/test_families.py compares them
SKIP_WORDS = (
    "disabled",
    "missing-credential",
    "missing-package",
    "paid-gate",
    "budget",
    "held",
    "rate-limited",
    "overloaded",
    "auth-cooldown",
    "memory-pressure",
    "excluded",
    "breaker-open",
    "context-budget",
)
PROBE_SKIP_WORDS = ("fresh", "unconfigured", "disabled", "paid", "passive", "excluded", "held", "rate-limited", "stopped")
# what answers, upstreams and requests most often lose; a field that an upstream refuses may have any name
CAPABILITIES = (
    "reasoning",
    "reasoning_content",
    "reasoning_effort",
    "thinking",
    "cache_control",
    "parallel_tool_calls",
    "stream_options",
    "top_k",
    "seed",
    "logprobs",
    "presence_penalty",
    "frequency_penalty",
    "metadata",
    "user",
    "service_tier",
    "store",
    "messages",
    "system",
    "input",
    "contents",
    "tools",
    "tool_choice",
    "stop",
    "temperature",
    "top_p",
    "max_tokens",
    "response_format",
    "output_config",
    "generationConfig",
    "options",
)


def words(*groups: Iterable[str]) -> tuple[str, ...]:
    """Return the words of all groups, each once."""
    return tuple(dict.fromkeys(str(word) for group in groups for word in group))


PROVIDER = Label("provider", Names.PROVIDERS)
PROFILE = Label("profile", Names.PROFILES)
GROUP = Label("group", Names.GROUPS)

_LEFT = ("cancelled-before-head", "cancelled-midstream", "cancelled-by-operator")
_REQUEST_OUTCOME = Label("outcome", words(("ok", "midstream", "error", *_LEFT), ErrorKind))
_ATTEMPT_OUTCOME = Label("outcome", words(AttemptOutcome))
_REASON = Label("reason", words(FailureReason))


def _counter(name: str, about: str, *labels: Label) -> Family:
    return Family(f"{PREFIX}{name}_total", Kind.COUNTER, about, labels)


def _gauge(name: str, about: str, *labels: Label) -> Family:
    return Family(PREFIX + name, Kind.GAUGE, about, labels)


def _histogram(name: str, about: str, *labels: Label) -> Family:
    return Family(PREFIX + name, Kind.HISTOGRAM, about, labels)


# requests and attempts
REQUESTS = _counter("requests", "Requests to models, by how they ended.", PROFILE, _REQUEST_OUTCOME)
REQUEST_SECONDS = _histogram("request_seconds", "From a request's arrival to its end, whoever answered.", PROFILE)
REFUSED = _counter("requests_refused", "Requests that the front refused.", Label("kind", words(ErrorKind)))
REQUEST_CRASHES = _counter("request_crashes", "Requests that ended in a mistake of the router.")
DISCONNECTS = _counter("client_disconnects", "Clients that left early.", Label("phase", ("before-head", "midstream")))
ATTEMPTS = _counter("attempts", "Attempts at providers, by how they ended.", PROVIDER, _ATTEMPT_OUTCOME)
ATTEMPT_SECONDS = _histogram("attempt_seconds", "How long an attempt took.", PROVIDER, _ATTEMPT_OUTCOME)
TTFT_SECONDS = _histogram("ttft_seconds", "From the begin of a streamed attempt to its first content.", PROVIDER)
FAILURES = _counter("provider_failures", "Attempts that failed, by reason.", PROVIDER, _REASON)
FALLBACKS = _counter(
    "fallbacks",
    "Steps from a provider that should have answered to another one; the end of a chain is none.",
    PROVIDER,
    Label("reason", words(FailureReason, SKIP_WORDS)),
)

# chains
PAID_GATE_BLOCKED = _counter("chain_paid_gate_blocked", "Requests that found only paid providers, which may not be asked.")
BUDGET_EXCEEDED = _counter("chain_budget_exceeded", "Requests that found every provider over its budget.")
PRESSURE_BLOCKED = _counter("chain_memory_pressure_blocked", "Requests that found every provider out of memory.")
UNIFORM_AUTH_FAILURE = _counter("chain_uniform_auth_failure", "Requests whose key every provider refused alike.")
AUTO_FALLTHROUGH = _counter("auto_router_fallthrough", "Requests that matched no rule of the auto router.")
SKIPPED = _counter("provider_skipped", "Providers left out of a request's chain.", PROVIDER, Label("reason", SKIP_WORDS))
DEMOTED = _counter("provider_demoted_unhealthy", "Requests in which a provider stood behind others for its health.", PROVIDER)
LAST_RESORT = _counter("last_resort", "Requests for which only providers that rest or are excluded were left.", PROFILE)
KEY_RESTS = _counter("provider_key_rests", "Keys of a pool that were put to rest.", PROVIDER)

# tokens and money
INPUT_TOKENS = _counter(
    "input_tokens",
    "Input tokens of answers, as the upstream counts, else estimated; those of a cache, read or written, are not in it.",
    PROVIDER,
)
OUTPUT_TOKENS = _counter("output_tokens", "Output tokens of answers, likewise.", PROVIDER)
CACHE_READ = _counter("cache_read_tokens", "Input tokens that the vendor had kept; not in router_input_tokens_total.", PROVIDER)
CACHE_CREATION = _counter(
    "cache_creation_tokens", "Input tokens that the vendor keeps from now on; not in router_input_tokens_total.", PROVIDER
)
CACHE_OBSERVED = _counter(
    "cache_observed", "Answers by what the prompt cache did for them.", PROVIDER, Label("outcome", words(CacheOutcome))
)
COST = _counter("cost_usd", "What attempts have cost, USD.", PROVIDER)
SAVINGS = _counter("cost_savings_usd", "What cache reads have saved, USD.", PROVIDER)

# guards
CAPABILITY_DEGRADED = _counter(
    "capability_degraded", "What was left out because a provider or client cannot take it.", Label("capability", CAPABILITIES)
)
FILTERS = _counter("output_filter_applied", "Answers that a filter has changed.", Label("filter", OUTPUT_FILTERS))
CONTEXT_WARNINGS = _counter("context_budget_warnings", "Prompts close to a provider's window.", PROVIDER, PROFILE)
CONTEXT_TRIMS = _counter("context_budget_trims", "Prompts that were shortened to fit.", PROVIDER, PROFILE)
CONTEXT_RATIO = _gauge("context_budget_usage_ratio", "The last such prompt, as a share of the window.", PROVIDER, PROFILE)
MEMORY_PRESSURE = _counter("memory_pressure", "Answers that a provider was out of memory for.", PROVIDER, PROFILE)
TOOL_LOOPS = _counter("tool_loops", "Agents that repeat one tool call.", PROFILE, Label("action", ("warn", "inject", "break")))
TOOL_COUNTS = _counter("tool_counts_exceeded", "Agents past their number of tool calls.", PROFILE, TOOL_LOOPS.labels[1])
DRIFT_DETECTED = _counter("drift_detected", "Providers whose answers got worse.", PROVIDER, PROFILE)
DRIFT_PROMOTED = _counter("drift_promoted", "Times that others were put in front for it.", PROVIDER, PROFILE)
DRIFT_RELOADS = _counter("drift_reload", "Cache flushes for it; a flush is the provider's, of no one profile.", PROVIDER)
DRIFT_RELOADED = _counter("drift_reload_success", "Those that succeeded.", PROVIDER)
STITCHES = _counter("partial_stitch_surfaced", "Broken answers whose client was told what had come.")
TOOLS_REPAIRED = _counter("tool_calls_repaired", "Tool calls that a model wrote as text.", PROVIDER)
TOOLS_GIVEN_UP = _counter("tool_repairs_given_up", "Answers with such a call that could not be read.", PROVIDER)
TOOL_ARGS_INVALID = _counter("tool_args_invalid", "Answers with tool arguments that do not fit the tool.", PROVIDER)
EMPTY_RESPONSES = _counter("empty_responses", "Answers without content.", PROVIDER)
TRUNCATIONS = _counter("stream_truncations", "Streams without their end.", PROVIDER)
GRAMMAR = _counter("grammar_violations", "Answers of ours that break their API's grammar.", Label("dialect", words(DialectName)))

# health
TRANSITIONS = _counter(
    "backend_health_transitions", "Changes of health, by the new state.", PROVIDER, Label("state", words(HealthState))
)
PROBES = _counter("probes", "Continuous probes and those of operators.", PROVIDER, Label("outcome", words(ProbeVerdict)))
PROBE_SECONDS = _histogram("probe_seconds", "How long they took.", PROVIDER)
PROBE_DRIFT = _counter("probe_drift_detected", "Probes that another model answered than the configured one.", PROVIDER)
PROBES_SKIPPED = _counter("probe_skipped", "Probes that were due and not made.", PROVIDER, Label("reason", PROBE_SKIP_WORDS))
RECOVERY_PROBES = _counter("recovery_probes", "Probes of an exclusion.", PROVIDER, Label("result", words(ProbeVerdict)))
RESTARTS = _counter(
    "restarts", "Restarts, counted for each provider of the group.", PROVIDER, GROUP, Label("result", ("ok", "failed"))
)
RESTARTS_SUPPRESSED = _counter(
    "restart_suppressed", "Restarts that were called for and not made.", PROVIDER, Label("reason", words(RefusalReason))
)

# the daemon
RELOADS = _counter("config_reloads", "Readings of the configuration.", Label("result", words(ReloadVerdict)))
ADMIN_ACTIONS = _counter(
    "admin_actions", "What operators asked for.", Label("action", words(OperatorAction, ("probe", "reload", "cancel")))
)
CANARY_FAILURES = _counter("canary_failures", "Own requests of the watchdog that were not answered.")

COUNTED = tuple(value for value in list(globals().values()) if isinstance(value, Family))
