"""`auto_router` and the rules of model-capabilities.yaml (routing.md 7, 8.1, 19.3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from router.config.schema import AutoRouterConfig, AutoRuleConfig, CapabilityRuleConfig, MatchConfig, RuleCapabilities
from router.onboarding.convert_draft import Draft, Gone, Keys, NoteKind, Section, table_of, texts_only
from router.onboarding.convert_values import lax

# the profiles of CodeRouter's built-in rules, which ran also behind an `auto_router` that has no rule (routing.md 20, row 26)
_BUILTIN_TARGETS = frozenset({"multi", "coding"})
_MATCHERS = (
    "has_image",
    "code_fence_ratio_min",
    "content_contains",
    "content_regex",
    "model_pattern",
    "content_token_count_min",
    "has_tools",
    "cjk_ratio_min",
    "request_class",
    "agent_type",
    "compaction",
)
_NO_GATE = "false had no effect in CodeRouter; here it would put the provider behind those that can"
_BUILTIN = "has no rules, so CodeRouter used its built-in ones: use_builtin = true does the same"
_NO_BUILTIN = (
    "has no rules, so CodeRouter used its built-in ones, for the profiles multi and coding; one of them is missing, so"
    " every request gets default_rule_profile, where CodeRouter refused some"
)


def write_auto_router(draft: Draft, section: Section, profiles: Collection[object]) -> None:
    """Write the auto router; `profiles` are the names of those that are declared."""
    draft.put(section.to, {}, section.path)  # it is there even where it says nothing
    draft.write(section, _AUTO_ROUTER)
    if section.values.get("rules") or lax(section.values.get("disabled"), AutoRouterConfig, "disabled") is True:
        return
    if _BUILTIN_TARGETS.issubset(profiles):
        draft.put((*section.to, "use_builtin"), value=True, origin=section.path)
        draft.note(NoteKind.RENAMED, section.path, _BUILTIN)
    else:
        draft.note(NoteKind.CHANGED, section.path, _NO_BUILTIN)


def write_capability_rules(draft: Draft, value: object) -> None:
    """Write the rules of a model-capabilities.yaml."""
    if not isinstance(value, dict):
        draft.fault((), "is not a mapping with a list of rules")
        return
    for key, rules in texts_only(draft, Section(values=value, path=(), to=())):
        if key == "rules":
            _write_list(draft, rules, (key,), ("capability_rules",))
        elif key != "version":  # says how to read the file, and is always 1
            draft.note(NoteKind.DROPPED, (key,), "not a key of CodeRouter's")


def _write_list(draft: Draft, rules: object, path: tuple[str, ...], to: tuple[str, ...]) -> None:
    if not isinstance(rules, list):
        draft.fault(path, "expected a list of rules")
        return
    for index, rule in enumerate(rules):
        if isinstance(rule, dict):
            section = Section(values=rule, path=(*path, index), to=(*to, index))
            draft.starts(section.to, section.path)
            draft.write(section, _CAPABILITY_RULE)
        else:
            draft.fault((*path, index), "expected a mapping")


def _write_rules(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - whatever the file has
    if not isinstance(value, list):
        draft.put((*section.to, key), value, section.at(key))
        return
    count = 0
    for index, rule in enumerate(value):
        path = (*section.at(key), index)
        if not isinstance(rule, dict):
            draft.fault(path, "expected a mapping")
        elif _can_never_hold(rule.get("match")):
            draft.note(NoteKind.DROPPED, path, "could never match: CodeRouter tested a true/false matcher only for true")
        else:
            to = (*section.to, key, count)
            draft.starts(to, path)
            draft.write(Section(values=rule, path=path, to=to), _AUTO_RULE)
            count += 1


def _can_never_hold(match: object) -> bool:
    return isinstance(match, dict) and any(match.get(key) is False for key in ("has_image", "has_tools", "compaction"))


def _write_match(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    path, to = section.at(key), (*section.to, key)
    if not isinstance(value, dict):
        draft.put(to, value, path)
        return
    said = [name for name, member in value.items() if member is not None]
    if len(said) != 1:  # several would mean here that all of them must hold; CodeRouter refused them
        draft.fault(path, f"CodeRouter takes exactly one matcher, but here are {len(said)}")
        return
    draft.starts(to, path)
    draft.write(Section(values=_folded(value), path=path, to=to), _MATCH)


def _write_tools(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    if (flag := lax(value, RuleCapabilities, key)) is False:
        draft.note(NoteKind.LEFT_OUT, section.at(key), _NO_GATE)
    else:
        draft.put((*section.to, key), flag, section.at(key))


def _folded(match: Mapping[object, object]) -> dict[object, object]:
    """Return a match whose request class is written as it is compared: without case."""
    return {key: value.lower() if key == "request_class" and isinstance(value, str) else value for key, value in match.items()}


_MATCH = Keys(cls=MatchConfig, same=_MATCHERS)
_AUTO_RULE = Keys(cls=AutoRuleConfig, same=("id", "profile"), special={"match": _write_match})
_AUTO_ROUTER = Keys(cls=AutoRouterConfig, same=("disabled", "default_rule_profile"), special={"rules": _write_rules})
_RULE_CAPABILITIES = Keys(
    cls=RuleCapabilities,
    same=("thinking", "max_context_tokens", "claude_code_suitability", "cache_control", "tool_choice"),
    special={"tools": _write_tools},
    gone={"reasoning_passthrough": Gone(why="CodeRouter did nothing with it in a rule", idle=None)},
)
_CAPABILITY_RULE = Keys(cls=CapabilityRuleConfig, same=("match", "kind"), special={"capabilities": table_of(_RULE_CAPABILITIES)})
