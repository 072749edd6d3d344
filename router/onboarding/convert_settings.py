"""The top level of a providers.yaml: `[routing]`, `[server]`, `[probe]`, `[audit]`, `[request_log]` (routing.md 4, 19.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from router.config.schema import AuditConfig, ProbeConfig, RequestLogConfig, RoutingConfig, ServerConfig
from router.onboarding.convert_draft import Draft, Gone, NoteKind, Rule, Section, texts_only
from router.onboarding.convert_values import lax

# what the original does where ours differs (routing.md 19.3)
_STRICT_ROUTING: Mapping[str, object] = {"last_resort": False, "prefer_healthy": False}
_STRICT_PROFILES: Mapping[str, object] = {
    "commit_policy": "first_event",
    "empty_response_action": "off",
    "stream_truncation_action": "off",
    "stop_statuses": [400, 401, 402, 403, 405, 409, 410, 413, 415, 422, 529],
}
_NOWHERE = "CodeRouter wrote nothing without state_dir"
_BY_MODEL = "as in CodeRouter: the model that a client names does not choose the profile"


def write_ways(draft: Draft) -> None:
    """Write what keeps every request on the way that it took: model names chose nothing."""
    to = ("routing", "resolve_model")
    draft.put(to, "off", ())
    draft.remarks[to] = _BY_MODEL


def write_strict(draft: Draft) -> None:
    """Write the original's behaviour wherever ours is another."""
    for key, value in _STRICT_ROUTING.items():
        draft.put(("routing", key), value, ())
    for key, value in _STRICT_PROFILES.items():
        draft.put(("profile_defaults", key), value, ())


def _key(table: str, cls: type[attrs.AttrsInstance], name: str | None = None) -> Rule:
    """Return the rule for a key that is one of a table, under its own name or another."""

    def write(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - whatever the file has
        to = (table, name or key)
        draft.put(to, lax(value, cls, to[-1]), section.at(key))
        if name is not None:
            draft.note(NoteKind.RENAMED, section.at(key), f"is {name} in [{table}]")

    return write


def _switch(table: str) -> Rule:
    """Return the rule for a key with the words off and active."""

    def write(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
        words: Mapping[object, bool] = {"off": False, False: False, "active": True}
        is_known = isinstance(value, str | bool) and value in words
        if not is_known:
            draft.fault(section.at(key), "is neither off nor active")
            return
        draft.put((table, "enabled"), words[value], section.at(key))
        draft.note(NoteKind.RENAMED, section.at(key), f"is enabled in [{table}]")

    return write


def _record(table: str) -> Rule:
    """Return the rule for the switch of a file in `state_dir`, which is one of the things that ours refuses without it."""
    write_switch = _switch(table)

    def write(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
        if value == "active" and section.values.get("state_dir") is None:
            draft.note(NoteKind.LEFT_OUT, section.at(key), _NOWHERE)
        else:
            write_switch(draft, section, key, value)

    return write


def _write_aliases(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    path = section.at(key)
    if not isinstance(value, dict):
        draft.put((key,), value, path)
        return
    for mode, profile in texts_only(draft, Section(values=value, path=path, to=(key,))):
        draft.put((key, mode), profile, (*path, mode))


SETTINGS: Mapping[str, Rule] = {
    "allow_paid": _key("routing", RoutingConfig),
    "default_profile": _key("routing", RoutingConfig),
    "display_timezone": _key("server", ServerConfig),
    "state_dir": _key("server", ServerConfig),
    "mode_aliases": _write_aliases,
    "continuous_probe": _switch("probe"),
    "probe_interval_s": _key("probe", ProbeConfig, "interval_s"),
    "probe_timeout_s": _key("probe", ProbeConfig, "timeout_s"),
    "probe_paid": _key("probe", ProbeConfig, "paid"),
    "audit_log": _record("audit"),
    "audit_log_max_bytes": _key("audit", AuditConfig, "max_bytes"),
    "request_log": _record("request_log"),
    "request_log_max_bytes": _key("request_log", RequestLogConfig, "max_bytes"),
}
GONE: Mapping[str, Gone] = {
    "plugins": Gone(why="there are no plugins", idle=({},)),
    "launcher": Gone(why="servers are run by [providers.restart], and there is no launcher", idle=({},)),
    "translation": Gone(why="nothing is translated between languages", idle=({},)),
    "token_estimation_include_tool_content": Gone(why="tool calls and results are always counted", idle=(True,)),
}
