"""`profiles[]` of CodeRouter into `[[profiles]]` (routing.md 6, 19.3)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from attrs import evolve, frozen

from router.config.schema import ProfileConfig
from router.onboarding.convert_draft import Draft, Gone, Keys, NoteKind, Section
from router.onboarding.convert_values import lax

_HALF_OPEN, _PAUSE, _LONGEST = "backend_health_half_open_s", "recovery_probe_initial_s", "recovery_probe_max_s"
_PAUSE_MAX_S = 300
_SKIP = 'is "exclude": an unhealthy provider is left out, and probed beside the requests instead of by one of them'
_COUNTED = (
    'max_tool_calls_action = "break" is set with it, as one setting covered both; calls are counted from the user\'s last message'
)
_WITHOUT = "has no counterpart here"
_WINDOW = "tool_loop_window is raised to tool_loop_threshold: below it CodeRouter's detector could never fire"


@frozen(kw_only=True)
class Members:
    """The providers that a chain may name: those that are there, and those of the file that have no counterpart here."""

    known: Collection[str]
    without: Collection[str]

    def write_chain(self, draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - whatever the file has
        """Write who is asked, without those whom CodeRouter itself passed over."""
        path, kept = section.at(key), list[object]()
        if not isinstance(value, list):
            draft.put((*section.to, key), value, path)
            return
        for index, name in enumerate(value):
            if why := self._why_not(name, kept):
                draft.note(NoteKind.DROPPED, (*path, index), why)
            else:
                draft.put((*section.to, key, len(kept)), name, (*path, index))
                kept.append(name)
        if not kept:
            draft.fault(path, "no provider would be left in this profile")

    def _why_not(self, name: object, kept: Collection[object]) -> str | None:
        if name in kept:
            return "is already in the chain: no provider is asked twice for one request"
        if not isinstance(name, str) or name in self.known:  # of what is no name the judge says more
            return None
        return _WITHOUT if name in self.without else "names no provider: CodeRouter skipped it for every request"


def write_profile(draft: Draft, section: Section, members: Members) -> None:
    """Write one profile."""
    draft.starts(section.to, section.path)
    draft.write(section, evolve(_PROFILE, special={**_PROFILE.special, "providers": members.write_chain}))
    _widen_window(draft, section)


def _widen_window(draft: Draft, section: Section) -> None:
    values = section.values
    window = lax(values.get("tool_loop_window", 5), ProfileConfig, "tool_loop_window")
    threshold = lax(values.get("tool_loop_threshold", 3), ProfileConfig, "tool_loop_threshold")
    if isinstance(window, int) and isinstance(threshold, int) and threshold > window:
        key = "tool_loop_window" if "tool_loop_window" in values else "tool_loop_threshold"
        draft.put((*section.to, "tool_loop_window"), threshold, section.at(key))
        draft.note(NoteKind.CHANGED, section.at(key), _WINDOW)


def _write_health_action(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    path = section.at(key)
    if value != "skip":
        draft.put((*section.to, key), lax(value, ProfileConfig, key), path)
        return
    draft.put((*section.to, key), "exclude", path)
    draft.note(NoteKind.CHANGED, path, _SKIP)


def _write_half_open(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    path = section.at(key)
    if section.values.get("backend_health_action") != "skip":
        draft.note(NoteKind.LEFT_OUT, path, "has no effect without backend_health_action: skip")
        return
    if section.values.get(_PAUSE) is not None:
        draft.note(NoteKind.DROPPED, path, f"{_PAUSE} is set already")
        return
    pause = lax(value, ProfileConfig, _PAUSE)
    draft.put((*section.to, _PAUSE), pause, path)
    draft.note(NoteKind.RENAMED, path, f"is {_PAUSE}")
    if isinstance(pause, int | float) and pause > _PAUSE_MAX_S and section.values.get(_LONGEST) is None:
        draft.put((*section.to, _LONGEST), pause, path)


def _write_loop_action(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    draft.put((*section.to, key), lax(value, ProfileConfig, key), section.at(key))
    if value == "break" and section.values.get("max_tool_calls") != 0:
        draft.put((*section.to, "max_tool_calls_action"), "break", section.at(key))
        draft.note(NoteKind.LOOK, section.at(key), _COUNTED)


_PROFILE = Keys(
    cls=ProfileConfig,
    same=(
        "name",
        "timeout_s",
        "append_system_prompt",
        "adaptive",
        "tool_loop_window",
        "tool_loop_threshold",
        "max_tool_calls",
        "memory_pressure_action",
        "memory_pressure_cooldown_s",
        "backend_health_threshold",
        _PAUSE,
        _LONGEST,
        "restart_timeout_s",
        "context_budget_action",
        "context_budget_warn_threshold",
        "context_budget_trim_threshold",
        "context_budget_trim_target",
        "context_budget_preserve_last_n",
        "drift_detection_action",
        "drift_detection_window_size",
        "drift_detection_cooldown_s",
        "drift_detection_sensitivity",
        "partial_stitch_action",
        "empty_response_action",
        "stream_truncation_action",
        "deferred_tools_action",
    ),
    special={
        "tool_loop_action": _write_loop_action,
        "backend_health_action": _write_health_action,
        _HALF_OPEN: _write_half_open,
    },
    gone={
        "tool_choice_action": Gone(why="a schema is used to force a call where a provider has no other way", idle=("off", False)),
        "cache_control_action": Gone(why="marks are left out automatically where an API cannot carry them", idle=("off", False)),
        "goal_mode": Gone(why="there is no stricter preset for goals", idle=(False,)),
    },
)
