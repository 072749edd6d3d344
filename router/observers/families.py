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
from router.domain.outcome import AttemptOutcome, RequestResult
from router.domain.request import DialectName
from router.domain.spend import CacheOutcome
from router.errors import ErrorKind, FailureReason

PREFIX = "router_"  # founding decision 8
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
# of these kinds a page is refused, or an operator's word stands for it
_OF_NO_REQUEST = (ErrorKind.NOT_FOUND, ErrorKind.METHOD_NOT_ALLOWED, ErrorKind.CANCELLED_BY_OPERATOR)
_OF_REQUESTS = [kind for kind in ErrorKind if kind not in _OF_NO_REQUEST]
_REQUEST_OUTCOME = Label("outcome", words(("ok", "midstream", "error", *_LEFT), _OF_REQUESTS))
_REQUEST_RESULT = Label("result", words(RequestResult))
# what the front says no with, before a request is read (ingress/asgi.py)
AT_THE_DOOR = (
    ErrorKind.INVALID_REQUEST,
    ErrorKind.HOST_NOT_ALLOWED,
    ErrorKind.NOT_FOUND,
    ErrorKind.METHOD_NOT_ALLOWED,
    ErrorKind.UNAUTHORIZED,
    ErrorKind.UNSUPPORTED_MEDIA_TYPE,
    ErrorKind.LOOP_DETECTED,
    ErrorKind.SHUTTING_DOWN,
    ErrorKind.OVER_CAPACITY,
)
_ATTEMPT_OUTCOME = Label("outcome", words(AttemptOutcome))
_REASON = Label("reason", words(FailureReason))


def counter(name: str, about: str, *labels: Label) -> Family:
    """Return a family that only grows; its name ends in `_total`."""
    return Family(f"{PREFIX}{name}_total", Kind.COUNTER, about, labels)


def gauge(name: str, about: str, *labels: Label) -> Family:
    """Return a family of what is so now."""
    return Family(PREFIX + name, Kind.GAUGE, about, labels)


def histogram(name: str, about: str, *labels: Label) -> Family:
    """Return a family of seconds in buckets."""
    return Family(PREFIX + name, Kind.HISTOGRAM, about, labels)


# requests and attempts
REQUESTS = counter(
    "requests", "Requests to models, by how they ended (result) and why (outcome).", PROFILE, _REQUEST_OUTCOME, _REQUEST_RESULT
)
REQUEST_SECONDS = histogram(
    "request_seconds", "Time from a request's arrival to its end, unless it was refused at the door.", PROFILE
)
REFUSED = counter(
    "requests_refused",
    "Requests refused at the door, before they were read, to models and to pages; router_requests_total has those to models too.",
    Label("kind", words(AT_THE_DOOR)),
)
REQUEST_CRASHES = counter("request_crashes", "Requests that ended in an internal error of the router.")
DISCONNECTS = counter("client_disconnects", "Clients that left early.", Label("phase", ("before-head", "midstream")))
ATTEMPTS = counter("attempts", "Attempts at providers, by how they ended.", PROVIDER, _ATTEMPT_OUTCOME)
ATTEMPT_SECONDS = histogram("attempt_seconds", "How long an attempt took.", PROVIDER, _ATTEMPT_OUTCOME)
TTFT_SECONDS = histogram("ttft_seconds", "Time from the start of a streamed attempt to its first content.", PROVIDER)
FAILURES = counter("provider_failures", "Attempts that failed, by reason.", PROVIDER, _REASON)
FALLBACKS = counter(
    "fallbacks",
    "Steps from a provider that should have answered to another one; the end of a chain does not count.",
    PROVIDER,
    Label("reason", words(FailureReason, SKIP_WORDS)),
)

# chains
PAID_GATE_BLOCKED = counter("chain_paid_gate_blocked", "Requests that found only paid providers, which may not be asked.")
BUDGET_EXCEEDED = counter("chain_budget_exceeded", "Requests that found every provider over its budget.")
PRESSURE_BLOCKED = counter("chain_memory_pressure_blocked", "Requests that found every provider out of memory.")
UNIFORM_AUTH_FAILURE = counter("chain_uniform_auth_failure", "Requests for which every provider refused its key.")
AUTO_FALLTHROUGH = counter("auto_router_fallthrough", "Requests that matched no rule of the auto router.")
SKIPPED = counter("provider_skipped", "Providers left out of a request's chain.", PROVIDER, Label("reason", SKIP_WORDS))
DEMOTED = counter(
    "provider_demoted_unhealthy", "Requests in which a provider was put behind others because of its health.", PROVIDER
)
LAST_RESORT = counter("last_resort", "Requests for which only resting or excluded providers were left.", PROFILE)
KEY_RESTS = counter("provider_key_rests", "Times that a key of a pool was put to rest.", PROVIDER)

# tokens and money
INPUT_TOKENS = counter(
    "input_tokens",
    "Input tokens of attempts, also of failed ones that are paid for, as counted by the upstream; otherwise estimated if "
    "there is a price, a limit of tokens or `usage_estimate`. Cache reads and writes are not included.",
    PROVIDER,
)
OUTPUT_TOKENS = counter(
    "output_tokens",
    "Output tokens of attempts, also of answers that broke off or were left, as counted by the upstream, otherwise estimated.",
    PROVIDER,
)
CACHE_READ = counter(
    "cache_read_tokens", "Input tokens read from the vendor's cache; not in router_input_tokens_total.", PROVIDER
)
CACHE_CREATION = counter(
    "cache_creation_tokens", "Input tokens written to the vendor's cache; not in router_input_tokens_total.", PROVIDER
)
CACHE_OBSERVED = counter(
    "cache_observed",
    "Whole answers by the effect of the prompt cache, where caching was requested or reported; those that broke off or were left "
    "do not count.",
    PROVIDER,
    Label("outcome", words(CacheOutcome)),
)
COST = counter("cost_usd", "Cost of attempts, USD.", PROVIDER)
SAVINGS = counter("cost_savings_usd", "Savings by cache reads, USD.", PROVIDER)

# guards
CAPABILITY_DEGRADED = counter(
    "capability_degraded",
    "Features left out because a provider or client does not support them.",
    Label("capability", CAPABILITIES),
)
FILTERS = counter("output_filter_applied", "Answers changed by a filter.", Label("filter", OUTPUT_FILTERS))
CONTEXT_WARNINGS = counter("context_budget_warnings", "Prompts close to a provider's window.", PROVIDER, PROFILE)
CONTEXT_TRIMS = counter("context_budget_trims", "Prompts that were shortened to fit.", PROVIDER, PROFILE)
CONTEXT_RATIO = gauge("context_budget_usage_ratio", "Size of the last such prompt, as a share of the window.", PROVIDER, PROFILE)
MEMORY_PRESSURE = counter("memory_pressure", "Answers that failed because the provider was out of memory.", PROVIDER, PROFILE)
TOOL_LOOPS = counter("tool_loops", "Agents that repeat one tool call.", PROFILE, Label("action", ("warn", "inject", "break")))
TOOL_COUNTS = counter("tool_counts_exceeded", "Agents that exceeded their number of tool calls.", PROFILE, TOOL_LOOPS.labels[1])
DRIFT_DETECTED = counter("drift_detected", "Providers whose answers got worse.", PROVIDER, PROFILE)
DRIFT_PROMOTED = counter("drift_promoted", "Times that other providers were put in front because of drift.", PROVIDER, PROFILE)
DRIFT_RELOADS = counter("drift_reload", "Cache flushes because of drift, per provider.", PROVIDER)
DRIFT_RELOADED = counter("drift_reload_success", "Cache flushes because of drift that succeeded.", PROVIDER)
STITCHES = counter("partial_stitch_surfaced", "Broken answers whose client was told what had arrived.")
TOOLS_REPAIRED = counter("tool_calls_repaired", "Tool calls that a model wrote as text.", PROVIDER)
TOOLS_GIVEN_UP = counter("tool_repairs_given_up", "Answers with a tool call written as text that could not be read.", PROVIDER)
TOOL_ARGS_INVALID = counter("tool_args_invalid", "Answers with tool arguments that do not fit the tool.", PROVIDER)
EMPTY_RESPONSES = counter("empty_responses", "Answers without content.", PROVIDER)
TRUNCATIONS = counter("stream_truncations", "Streams that ended too early.", PROVIDER)
GRAMMAR = counter(
    "grammar_violations", "Answers of the router that break the grammar of their API.", Label("dialect", words(DialectName))
)

# health
TRANSITIONS = counter(
    "backend_health_transitions", "Changes of health, by the new state.", PROVIDER, Label("state", words(HealthState))
)
PROBES = counter("probes", "Continuous probes and operators' probes.", PROVIDER, Label("outcome", words(ProbeVerdict)))
PROBE_SECONDS = histogram("probe_seconds", "How long these probes took.", PROVIDER)
PROBE_DRIFT = counter("probe_drift_detected", "Probes answered by a model other than the configured one.", PROVIDER)
PROBES_SKIPPED = counter("probe_skipped", "Probes that were due but not made.", PROVIDER, Label("reason", PROBE_SKIP_WORDS))
RECOVERY_PROBES = counter(
    "recovery_probes", "Recovery probes of excluded providers.", PROVIDER, Label("result", words(ProbeVerdict))
)
RESTARTS = counter(
    "restarts", "Restarts, counted for each provider of the group.", PROVIDER, GROUP, Label("result", ("ok", "failed"))
)
RESTARTS_SUPPRESSED = counter(
    "restart_suppressed", "Restarts that were due but not made.", PROVIDER, Label("reason", words(RefusalReason))
)

# the daemon
RELOADS = counter("config_reloads", "Reloads of the configuration.", Label("result", words(ReloadVerdict)))
ADMIN_ACTIONS = counter(
    "admin_actions", "Actions of operators.", Label("action", words(OperatorAction, ("probe", "reload", "cancel")))
)
CANARY_FAILURES = counter("canary_failures", "The watchdog's own requests that were not answered.")

COUNTED = tuple(value for value in list(globals().values()) if isinstance(value, Family))
