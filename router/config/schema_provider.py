"""`[[providers]]` and its sub-tables (routing.md 5, supervision.md 21.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NewType

from attrs import field, frozen

from router.config.checks import (
    NOT_A_STRING,
    AtLeast,
    Between,
    Directory,
    EachOf,
    EnvName,
    EnvNames,
    HeaderName,
    Headers,
    HttpUrl,
    Matches,
    NotEmpty,
)

ProviderKind = Literal["openai_compat", "anthropic", "openai_responses", "gemini", "ollama"]
Reasoning = Literal["strip", "pass", "convert", "echo"]
NullContent = Literal["null", "empty"]
ServerTools = Literal["drop", "refuse"]
SchemaProfile = Literal["none", "openai", "gemini", "llama_cpp"]
PrefillStyleName = Literal["trailing", "vllm"]  # the lines of wire/prefill.py
CallIds = Literal["any", "mistral"]
VendorName = Literal[  # the rows of router/data/vendors.toml
    "auto",
    "none",
    "azure",
    "deepseek",
    "gemini",
    "groq",
    "llama_cpp",
    "lm_studio",
    "mistral",
    "nvidia",
    "ollama",
    "openai",
    "openrouter",
    "vllm",
    "xai",
]
ToolStream = Literal["native", "buffered"]
ToolArgs = Literal["stream", "whole", "auto"]
ToolRepair = Literal["off", "strict", "balanced", "eager"]
OnDisconnect = Literal["cancel", "drain"]
RestartMode = Literal["oneshot", "managed", "unit"]
StartWhen = Literal["demand", "boot"]
KeepAlive = str | int | float  # a duration as Go writes it ("10m"), or seconds; negative: for good
CommandLine = NewType("CommandLine", tuple[str, ...])  # in the file a list, or a string split as a shell would

OUTPUT_FILTERS = (  # routing.md 16, wire.md 15
    "strip_thinking",
    "strip_thinking_prefilled",
    "strip_stop_markers",
    "strip_tool_call_xml",
    "repair_byte_fallback",
)

# said of a string where a command is a list (W40): nothing here is ever given to a shell that did not ask for one
_NO_SHELL = 'one string per word, as in ["llama-server", "--port", "8089"]; a shell is a program: ["sh", "-c", "..."]'
_DAY_S = 86_400  # slow local models: a whole day is the bound of every limit of an attempt


@frozen(kw_only=True)
class CapabilitiesConfig:
    """What the model can do. None: not said, the capability table decides; an explicit false beats it (routing.md 5.1)."""

    chat: bool = True
    streaming: bool = True
    tools: bool | None = None
    vision: bool | None = None
    prompt_cache: bool | None = None
    thinking: bool | None = None
    tool_choice: bool | None = None


@frozen(kw_only=True)
class CostConfig:
    """USD per 10^6 tokens, multipliers on the input price, and a cap per calendar month (routing.md 5.2, 13.3)."""

    input_tokens_per_million: float | None = field(default=None, validator=AtLeast(0))
    output_tokens_per_million: float | None = field(default=None, validator=AtLeast(0))
    cache_read_discount: float = field(default=0.10, validator=Between(0, 1))  # a multiplier, whatever its name says
    cache_creation_premium: float = field(default=1.25, validator=AtLeast(0))
    cache_creation_1h_premium: float = field(default=2.0, validator=AtLeast(0))
    monthly_budget_usd: float | None = field(default=None, validator=AtLeast(0))


@frozen(kw_only=True)
class LimitsConfig:
    """What each key of the provider may send in any minute; None: not known, then only what the upstream tells counts."""

    requests_per_minute: int | None = field(default=None, validator=Between(1, 1_000_000))
    tokens_per_minute: int | None = field(default=None, validator=Between(1, 1_000_000_000))
    max_wait_s: float = field(default=10.0, validator=Between(0, 3600))


@frozen(kw_only=True)
class RestartConfig:
    """How the server behind a provider is started again (founding decision 9, supervision.md 21.6).

    `argv` runs without a shell; a first element `python` stands for the interpreter of the router.
    `env` is added to an allow-listed environment. Managed only: `start`, `idle_stop_s` (0: never)."""

    mode: RestartMode
    argv: tuple[str, ...] = field(validator=NotEmpty("the program and its arguments"), metadata={NOT_A_STRING: _NO_SHELL})
    ready_url: str | None = field(default=None, validator=HttpUrl())
    ready_timeout_s: float = field(default=120.0, validator=Between(0.1, 3600))
    timeout_s: float | None = field(default=None, validator=Between(5, 600))  # None: the longest restart_timeout_s
    group: str | None = None  # providers of one group share one restart; None: the argv
    max: int = field(default=3, validator=Between(1, 100))  # restarts within window_s
    window_s: float = field(default=900.0, validator=Between(1, _DAY_S))
    cooldown_s: float = field(default=60.0, validator=Between(0, _DAY_S))
    after_probes: int = field(default=1, validator=Between(1, 100))
    cwd: str | None = field(default=None, validator=Directory())
    env: Mapping[str, str] = field(factory=dict)
    start: StartWhen = "demand"
    idle_stop_s: float = field(default=600.0, validator=Between(0, 7 * _DAY_S))


@frozen(kw_only=True)
class ProviderConfig:
    """One configured upstream endpoint and model. A time limit of None means `timeout_s`, where nothing else is said.

    Its credential is not here but in `Secrets`: a configuration can be printed and compared."""

    name: str = field(validator=Matches(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}", "a name of letters, digits and ._:/- (at most 64)"))
    kind: ProviderKind = "openai_compat"
    base_url: str = field(validator=HttpUrl())
    base_url_exact: bool = False
    vendor: VendorName = "auto"  # whose habits are the defaults of keys below: auto goes by the host of base_url
    model: str = field(validator=Matches(r"[ -~]*", "a string of ASCII characters"))  # also told in a header
    aliases: tuple[str, ...] = ()
    enabled: bool = True
    paid: bool = False
    api_key_env: str | None = field(default=None, validator=EnvName())
    api_key_envs: tuple[str, ...] = field(default=(), validator=EnvNames())  # several keys, each with its own limits
    credential_file: str | None = field(default=None, validator=NotEmpty("a file name"))
    key_header: str | None = field(default=None, validator=HeaderName())  # None: that of the kind
    requires: tuple[str, ...] = ()  # distributions that must be installed

    timeout_s: float = field(default=30.0, validator=Between(1, _DAY_S))
    connect_timeout_s: float = field(default=5.0, validator=Between(0.01, 600))
    first_byte_timeout_s: float | None = field(default=None, validator=Between(0.01, _DAY_S))
    first_content_timeout_s: float | None = field(default=None, validator=Between(0.01, _DAY_S))  # None: no such limit
    idle_timeout_s: float | None = field(default=None, validator=Between(0.01, _DAY_S))
    total_timeout_s: float | None = field(default=None, validator=Between(0.01, _DAY_S))  # None: no such limit
    max_concurrency: int | None = field(default=None, validator=Between(1, 10_000))
    queue_timeout_s: float = field(default=0.0, validator=Between(0, 3600))
    limits: LimitsConfig = field(factory=LimitsConfig)
    min_chars_per_s: float | None = field(default=None, validator=Between(0.01, 1_000_000))  # None: any pace will do
    throughput_window_s: float = field(default=5.0, validator=Between(1, 60))
    slot_affinity_slots: int | None = field(default=None, validator=Between(1, 256))
    on_disconnect: OnDisconnect = "cancel"
    drain_max_bytes: int = field(default=1024 * 1024, validator=Between(1, 2**31 - 1))
    drain_max_s: float = field(default=30.0, validator=Between(0.01, 3600))

    headers: Mapping[str, str] = field(factory=dict, validator=Headers())  # a value may be env:NAME
    extra_body: Mapping[str, object] = field(factory=dict)  # JSON values
    append_system_prompt: str | None = None
    max_context_tokens: int | None = field(default=None, validator=AtLeast(1))
    keep_alive: KeepAlive | None = None  # ollama: None: the server's own time
    capabilities: CapabilitiesConfig = field(factory=CapabilitiesConfig)
    cost: CostConfig | None = None
    output_filters: tuple[str, ...] = field(default=(), validator=EachOf(OUTPUT_FILTERS))

    allow_fields: tuple[str, ...] | None = None  # None: the fields of the dialect
    drop_fields: tuple[str, ...] = ()
    rename_fields: Mapping[str, str] = field(factory=dict)
    drop_message_fields: tuple[str, ...] = ()
    allow_betas: tuple[str, ...] | None = None  # None: all pass
    drop_betas: tuple[str, ...] = ()
    reasoning: Reasoning = "strip"
    reasoning_effort: bool | tuple[str, ...] = False  # chat and Gemini upstreams: true, or the levels taken
    effort: bool | tuple[str, ...] = False  # anthropic upstreams: the same
    default_max_tokens: int = field(default=8192, validator=AtLeast(1))
    prefill: bool = False
    prefill_style: PrefillStyleName = "trailing"
    files: bool = False
    keep_attribution: bool | None = None  # None: kept by anthropic upstreams elsewhere, not by servers on this machine
    forward_user: bool = False
    forward_traceparent: bool = False
    auto_cache: bool = False
    usage_estimate: bool = False
    null_content: NullContent = "null"
    empty_result_text: str = ""
    call_ids: CallIds = "any"
    max_stop: int = field(default=4, validator=Between(0, 1000))
    server_tools: ServerTools = "drop"
    schema_profile: SchemaProfile = "none"
    tool_stream: ToolStream = "native"
    tool_args: ToolArgs = "stream"
    tool_repair: ToolRepair | None = None  # None: balanced for openai_compat and ollama, else off
    extra_markers: tuple[str, ...] = ()

    health_threshold: int | None = field(default=None, validator=Between(2, 20))  # None: founding decision 10
    restart: RestartConfig | None = None
    restart_command: CommandLine | None = None  # short form; `load` makes `restart` of it, readers look at that only
