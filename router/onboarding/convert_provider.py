"""`providers[]` of CodeRouter into `[[providers]]` (routing.md 5, 19.3)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from router.config.schema import CapabilitiesConfig, CostConfig, ProviderConfig
from router.onboarding.convert_draft import Draft, Gone, Keys, NoteKind, Section, table_of
from router.onboarding.convert_restart import write_restart
from router.onboarding.convert_values import json_value, lax

_SAID_NOTHING = "false was CodeRouter's default and had no effect; here it would put the provider behind those that can"
_UNUSED = Gone(why="CodeRouter did nothing with it", idle=None)
_NO_CREDENTIAL = "the token file of another program is not read here: the provider gets enabled = false until you set api_key_env"
_A_KEY = "looks like a key, but must be the name of a variable: no key was sent, and none is"
# letters of both cases and digits, as in no name of a variable, and as long as keys are
_KEY_LIKE = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])[A-Za-z0-9_]{20,}")
_ADDRESS = "is kept as it is with base_url_exact = true; otherwise /v1 would be added"


def write_provider(draft: Draft, section: Section) -> None:
    """Write one provider."""
    draft.starts(section.to, section.path)
    draft.write(section, _PROVIDER)


def is_a_program(provider: object) -> bool:
    """Tell whether a provider of the YAML is a program that runs per request, which has no counterpart here."""
    return isinstance(provider, dict) and provider.get("kind") == "agent_cli"


def _write_address(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - whatever the file has
    draft.put((*section.to, key), value, section.at(key))
    if section.values.get("kind") in (None, "openai_compat") and isinstance(value, str) and _is_bare(value):
        draft.put((*section.to, "base_url_exact"), value=True, origin=section.at(key))
        draft.note(NoteKind.RENAMED, section.at(key), _ADDRESS)


def _is_bare(url: str) -> bool:
    """Tell whether an address has no path, to which `/v1` would be added for chat completions (routing.md 15.2)."""
    try:
        return not urlsplit(url).path.rstrip("/")
    except ValueError:  # no address at all: said by the judge
        return False


def _write_ability(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    if (flag := lax(value, CapabilitiesConfig, key)) is False:
        draft.note(NoteKind.LEFT_OUT, section.at(key), _SAID_NOTHING)
    else:
        draft.put((*section.to, key), flag, section.at(key))


def _write_passthrough(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    flag = lax(value, CapabilitiesConfig, "tools")  # any key that takes true and false
    if flag is True:
        draft.put((*section.to[:-1], "reasoning"), "pass", section.at(key))
        draft.note(NoteKind.RENAMED, section.at(key), 'is reasoning = "pass"')
    elif flag is not False:
        draft.fault(section.at(key), "expected true or false")


def _write_extra_body(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    if value != {}:
        draft.put((*section.to, key), json_value(value), section.at(key))


def _write_key_name(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    if isinstance(value, str) and _KEY_LIKE.fullmatch(value):
        draft.note(NoteKind.DROPPED, section.at(key), _A_KEY)
        return
    draft.put((*section.to, "api_key_env"), value, section.at(key))
    if key != "api_key_env":
        draft.note(NoteKind.RENAMED, section.path, "is api_key_env")


def _write_credential(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    path = section.at(key)
    if section.values.get("api_key_env") is not None:
        draft.fault(path, "api_key_env and credential exclude each other")
    elif not isinstance(value, dict):
        draft.fault(path, "expected a mapping")
    elif value.get("source", "env") == "env":
        _write_key_name(draft, Section(values=value, path=path, to=section.to), "env", value.get("env", ""))
    elif value["source"] == "cli_session":
        draft.put((*section.to, "enabled"), value=False, origin=path)
        draft.note(NoteKind.DROPPED, path, _NO_CREDENTIAL)
    else:
        draft.fault((*path, "source"), "is neither env nor cli_session")


_COST = Keys(
    cls=CostConfig,
    same=(
        "input_tokens_per_million",
        "output_tokens_per_million",
        "cache_read_discount",
        "cache_creation_premium",
        "monthly_budget_usd",
    ),
)
_CAPABILITIES = Keys(
    cls=CapabilitiesConfig,
    same=("chat", "streaming", "tool_choice"),
    special={
        "tools": _write_ability,
        "vision": _write_ability,
        "prompt_cache": _write_ability,
        "thinking": _write_ability,
        "reasoning_passthrough": _write_passthrough,
    },
    gone={"reasoning_control": _UNUSED, "mcp": _UNUSED, "openai_compatible": _UNUSED},
)
_PROVIDER = Keys(
    cls=ProviderConfig,
    same=(
        "name",
        "kind",
        "model",
        "paid",
        "timeout_s",
        "append_system_prompt",
        "output_filters",
        "max_context_tokens",
        "slot_affinity_slots",
    ),
    renamed={"ttft_timeout_s": "first_content_timeout_s"},
    special={
        "base_url": _write_address,
        "api_key_env": _write_key_name,
        "capabilities": table_of(_CAPABILITIES),
        "cost": table_of(_COST),
        "extra_body": _write_extra_body,
        "credential": _write_credential,
        "restart_command": write_restart,
    },
    gone={"tokenizer_path": Gone(why="tokens are counted by one estimator here, for every model")},
)
