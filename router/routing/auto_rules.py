"""The auto router: which profile answers a request that names none, by rules about what it is (routing.md 7).

Rules are compiled once per configuration. All matchers of one table must hold, and of `any` at least one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Self

from attrs import field, frozen

from router.config.patterns import Pattern
from router.config.schema import RouterConfig
from router.config.schema_rules import AutoRouterConfig, AutoRuleConfig, HeaderMatch, MatchConfig
from router.domain.routes import usual_path
from router.routing.auto_facts import MAX_SEARCHED, Facts

Check = Callable[[Facts], bool]

BUILTIN_RULES = (
    AutoRuleConfig(id="builtin:image-attachment", profile="multi", match=MatchConfig(has_image=True)),
    AutoRuleConfig(id="builtin:code-fence-dense", profile="coding", match=MatchConfig(code_fence_ratio_min=0.3)),
)


@frozen(kw_only=True)
class AutoChoice:
    """What the auto router says, and what it has seen.

    `rule_id` is None where no rule decided: then the profile is the default, or the session's own (`is_remembered`).
    `binds` tells that a session stays with the profile from now on, should that be sticky."""

    profile: str
    rule_id: str | None = None
    is_remembered: bool = False
    binds: bool = True
    signals: Mapping[str, object] = field(factory=dict)


@frozen(kw_only=True)
class Rule:
    """One rule, compiled. `names_class` tells that it looks at what the client says of the request."""

    id: str
    profile: str
    checks: tuple[Check, ...]
    names_class: bool

    def holds(self, facts: Facts) -> bool:
        """Tell whether every matcher holds."""
        return all(check(facts) for check in self.checks)


@frozen(kw_only=True)
class AutoRouter:
    """The rules of one configuration; the first that holds wins."""

    rules: tuple[Rule, ...]
    default_profile: str
    is_disabled: bool = False

    @classmethod
    def of(cls, config: RouterConfig) -> Self:
        """Compile the rules. Without a block the built-in ones count; with one, its own, and those on wish behind them."""
        block = config.auto_router
        if block is None:
            block = AutoRouterConfig(use_builtin=True)
        rules = (*block.rules, *(BUILTIN_RULES if block.use_builtin else ()))
        return cls(
            rules=tuple(_compiled(rule) for rule in rules),
            default_profile=block.default_rule_profile,
            is_disabled=block.disabled,
        )

    def resolve(self, facts: Facts, remembered: str | None = None) -> AutoChoice:
        """Return the profile of one request; `remembered` is the one that its session has settled in.

        That one is stronger than the rules, or a session would change its model from turn to turn. Only a compaction,
        which shares its conversation's session, may be sent elsewhere by a rule that names its class; that binds nothing."""
        if self.is_disabled:
            return AutoChoice(profile=self.default_profile, binds=False, signals=self._fallen(facts))
        binds = not (facts.is_compaction or facts.request_class == "compaction")
        if remembered is not None:
            rule = None if binds else self._first(facts, classes_only=True)
            if rule is None:
                return AutoChoice(profile=remembered, is_remembered=True, binds=binds)
        else:
            rule = self._first(facts)
        if rule is None:
            return AutoChoice(profile=self.default_profile, binds=binds, signals=self._fallen(facts))
        return AutoChoice(profile=rule.profile, rule_id=rule.id, binds=binds, signals=_signals(facts))

    def _first(self, facts: Facts, *, classes_only: bool = False) -> Rule | None:
        rules = (rule for rule in self.rules if rule.names_class or not classes_only)
        return next((rule for rule in rules if rule.holds(facts)), None)

    def _fallen(self, facts: Facts) -> dict[str, object]:
        signals = _signals(facts)
        del signals["has_image"]
        return signals | {"disabled": self.is_disabled}


def _signals(facts: Facts) -> dict[str, object]:
    """Return what the events tell, the model uncut. The estimate, the one dear fact, is null where no rule asked for it."""
    return {
        "has_image": facts.has_image,
        "code_fence_ratio": round(facts.code_fence_ratio, 3),
        "content_len": len(facts.text),
        "model": facts.model,
        "estimated_tokens": facts.estimated_tokens_if_known,
        "has_tools": facts.has_tools,
    }


def _compiled(rule: AutoRuleConfig) -> Rule:
    return Rule(id=rule.id, profile=rule.profile, checks=tuple(_checks(rule.match)), names_class=_names_class(rule.match))


def _names_class(match: MatchConfig) -> bool:
    is_named = (match.request_class, match.agent_type, match.compaction) != (None, None, None)
    return is_named or any(_names_class(one) for one in match.any)


def _checks(match: MatchConfig) -> Iterator[Check]:
    """Yield one check per matcher, the cheap ones first."""
    yield from _client_checks(match)
    yield from _request_checks(match)
    yield from _text_checks(match)
    if match.any:
        alternatives = [tuple(_checks(one)) for one in match.any]
        yield lambda facts: any(all(check(facts) for check in checks) for checks in alternatives)
    if (least := match.content_token_count_min) is not None:
        yield lambda facts: facts.estimated_tokens >= least


def _client_checks(match: MatchConfig) -> Iterator[Check]:
    if (klass := match.request_class) is not None:
        yield lambda facts: facts.request_class == klass
    if (agent := match.agent_type) is not None:
        lower = agent.lower()
        yield lambda facts: facts.agent_type == lower
    if match.compaction:
        yield lambda facts: facts.is_compaction
    if (client := match.client) is not None:
        yield lambda facts: facts.client == client
    if match.header is not None:
        yield _header_check(match.header)
    if (path := match.path) is not None:
        route = usual_path(path)
        yield lambda facts: facts.route == route


def _header_check(match: HeaderMatch) -> Check:
    name, pattern = match.name.lower(), Pattern.of(match.pattern)

    def holds(facts: Facts) -> bool:
        value = facts.headers.get(name)
        return value is not None and pattern.is_in(value[:MAX_SEARCHED])

    return holds


def _request_checks(match: MatchConfig) -> Iterator[Check]:
    if (is_stream := match.stream) is not None:
        yield lambda facts: facts.is_stream is is_stream
    if match.thinking:
        yield lambda facts: facts.wants_thinking
    if match.has_tools:
        yield lambda facts: facts.has_tools
    if match.model_pattern is not None:
        model = Pattern.of(match.model_pattern)
        yield lambda facts: bool(facts.model) and model.is_all_of(facts.model[:MAX_SEARCHED])


def _text_checks(match: MatchConfig) -> Iterator[Check]:
    if match.has_image:
        yield lambda facts: facts.has_image
    if (ratio := match.code_fence_ratio_min) is not None:
        yield lambda facts: facts.code_fence_ratio >= ratio
    if (part := match.content_contains) is not None:
        yield lambda facts: part in facts.text
    if (cjk := match.cjk_ratio_min) is not None:
        yield lambda facts: facts.cjk_ratio >= cjk
    if match.content_regex is not None:
        pattern = Pattern.of(match.content_regex)
        yield lambda facts: pattern.is_in(facts.searched_text)
