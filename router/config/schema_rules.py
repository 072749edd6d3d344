"""`[auto_router]` and `[[capability_rules]]` (routing.md 7, 8.1)."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from router.config.checks import AtLeast, Between, NotEmpty, Only, Regex
from router.config.schema_provider import ProviderKind

RequestClass = Literal["main", "subagent", "workflow", "compaction", "auxiliary"]
ClientName = Literal["claude-code", "codex", "gemini-cli", "openai-sdk", "anthropic-sdk", "other"]
RuleKind = Literal[ProviderKind, "any"]
Suitability = Literal["ok", "degraded"]

_DEAD = "the rule could never match; leave the key out"


@frozen(kw_only=True)
class HeaderMatch:
    """A request header in whose value `pattern` matches somewhere."""

    name: str = field(validator=NotEmpty("a header name"))
    pattern: str = field(validator=Regex())


@frozen(kw_only=True)
class MatchConfig:
    """The matchers of one rule: all that are set must hold, and of `any` at least one."""

    has_image: bool | None = field(default=None, validator=Only(value=True, text=_DEAD))
    has_tools: bool | None = field(default=None, validator=Only(value=True, text=_DEAD))
    code_fence_ratio_min: float | None = field(default=None, validator=Between(0, 1))
    content_contains: str | None = field(default=None, validator=NotEmpty("a string"))
    content_regex: str | None = field(default=None, validator=Regex())
    model_pattern: str | None = field(default=None, validator=Regex())
    content_token_count_min: int | None = field(default=None, validator=AtLeast(1))
    cjk_ratio_min: float | None = field(default=None, validator=Between(0, 1))
    header: HeaderMatch | None = None
    path: str | None = field(default=None, validator=NotEmpty("a route"))
    thinking: bool | None = field(default=None, validator=Only(value=True, text=_DEAD))
    request_class: RequestClass | None = None
    agent_type: str | None = field(default=None, validator=NotEmpty("a name"))
    compaction: bool | None = field(default=None, validator=Only(value=True, text=_DEAD))
    client: ClientName | None = None
    stream: bool | None = None
    any: tuple[MatchConfig, ...] = ()


@frozen(kw_only=True)
class AutoRuleConfig:
    """One rule of the auto router; the first whose `match` holds wins."""

    id: str = field(validator=NotEmpty("a name for the log"))
    profile: str
    match: MatchConfig


@frozen(kw_only=True)
class AutoRouterConfig:
    """The auto router; asked only while `default_profile` is `auto`."""

    disabled: bool = False
    rules: tuple[AutoRuleConfig, ...] = ()
    use_builtin: bool = False
    default_rule_profile: str = "writing"


@frozen(kw_only=True)
class RuleCapabilities:
    """What a capability rule declares; None: the rule says nothing about it."""

    thinking: bool | None = None
    tools: bool | None = None
    vision: bool | None = None
    tool_choice: bool | None = None
    cache_control: bool | None = None
    max_context_tokens: int | None = field(default=None, validator=AtLeast(1))
    claude_code_suitability: Suitability | None = None


@frozen(kw_only=True)
class CapabilityRuleConfig:
    """One line of the capability table: a glob on the provider's model, compared without case."""

    match: str = field(validator=NotEmpty("a glob"))
    kind: RuleKind = "any"
    capabilities: RuleCapabilities = field(factory=RuleCapabilities)
