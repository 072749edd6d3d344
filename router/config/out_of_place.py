"""Keys that mean nothing where they stand: for another kind of provider, or beside another key that is not there.

Each one that is set is warned about by name, so that no option is silent. A key set to its default asks for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from router.config.locate import KeyPath
from router.config.schema import CapabilitiesConfig, ProviderConfig
from router.config.schema_provider import ProviderKind

_CHAT: frozenset[ProviderKind] = frozenset({"openai_compat"})
_ANTHROPIC: frozenset[ProviderKind] = frozenset({"anthropic"})
_RESPONSES: frozenset[ProviderKind] = frozenset({"openai_responses"})
_GEMINI: frozenset[ProviderKind] = frozenset({"gemini"})
_OLLAMA: frozenset[ProviderKind] = frozenset({"ollama"})

# the kinds that a key means something for, where these are not all
KINDS_OF_KEY: Mapping[str, frozenset[ProviderKind]] = {
    "base_url_exact": _CHAT,
    "vendor": _CHAT,
    "drop_message_fields": _CHAT,
    "call_ids": _CHAT,
    "reasoning_effort": _CHAT | _RESPONSES | _GEMINI | _OLLAMA,
    "files": _CHAT | _RESPONSES,
    "forward_user": _CHAT | _RESPONSES,
    "null_content": _CHAT,
    "empty_result_text": _CHAT | _OLLAMA,
    "max_stop": _CHAT,
    "prefill": _CHAT | _ANTHROPIC | _GEMINI,
    "prefill_style": _CHAT,
    "effort": _ANTHROPIC,
    "auto_cache": _ANTHROPIC,
    "allow_betas": _ANTHROPIC,
    "drop_betas": _ANTHROPIC,
    "keep_alive": _OLLAMA,
}
_MARKED = "strip_stop_markers"  # the one filter that looks for them
_FOR_THE_READER = ("chat", "streaming")  # capabilities that never keep a request away


def keys_out_of_place(provider: ProviderConfig) -> Iterator[tuple[KeyPath, str]]:
    """Yield (path within the provider, what is wrong with it there) for each key that does nothing."""
    for key, kinds in KINDS_OF_KEY.items():
        if provider.kind not in kinds and _is_set(provider, key):
            yield (key,), f"{key} has no effect for kind {provider.kind}"
    if provider.max_concurrency is None and _is_set(provider, "queue_timeout_s"):
        yield ("queue_timeout_s",), "queue_timeout_s has no effect without max_concurrency"
    if provider.min_chars_per_s is None and _is_set(provider, "throughput_window_s"):
        yield ("throughput_window_s",), "throughput_window_s has no effect without min_chars_per_s"
    if provider.on_disconnect != "drain":
        for key in ("drain_max_bytes", "drain_max_s"):
            if _is_set(provider, key):
                yield (key,), f'{key} has no effect without on_disconnect = "drain"'
    if not provider.prefill and _is_set(provider, "prefill_style"):
        yield ("prefill_style",), "prefill_style has no effect without prefill"
    if _is_set(provider, "extra_markers") and _MARKED not in provider.output_filters:
        yield ("extra_markers",), f"extra_markers has no effect without {_MARKED} in output_filters"
    for key in _FOR_THE_READER:
        if _is_set(provider.capabilities, key):
            yield ("capabilities", key), f"{key} is for information only: it keeps no request away"


def _is_set(table: ProviderConfig | CapabilitiesConfig, key: str) -> bool:
    return bool(getattr(table, key) != attrs.fields_dict(type(table))[key].default)
