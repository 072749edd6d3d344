"""Does a request suit a provider: soft gates, which put a provider behind others and never out of the chain (routing.md 8.5).

`Fit.overflows` and `Fit.lacking` are behind two of the keys that a chain is ordered by (routing.md 10.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from attrs import frozen

from router.domain.request import DialectName, ThinkingMode
from router.guards.context_budget import usable_window
from router.providers.capabilities import Capabilities, Flag
from router.wire.shape import as_integer

# what an upstream would be asked to do; a client that says `disabled` asks for nothing
_THINKS = (ThinkingMode.ENABLED, ThinkingMode.ADAPTIVE)
_FORCED_WORDS = ("any", "required", "tool", "function", "custom")
_IMAGES = ("image", "image_url")
_CACHE_MARK = "cache_control"


@frozen(kw_only=True)
class Needs:
    """What one request asks of a model. `tokens` are those of its prompt, by the default weights."""

    thinking: bool = False
    cache_control: bool = False
    tools: bool = False
    vision: bool = False
    tool_choice: bool = False
    tokens: int = 0
    max_tokens: int | None = None


@frozen(kw_only=True)
class Fit:
    """How well one provider suits one request.

    `lacking` names what it cannot do and must be left out, `lossy` what its wire cannot carry: that one is told and
    changes no order. `overflows`: the prompt and its answer do not go into its window."""

    lacking: tuple[str, ...] = ()
    lossy: tuple[str, ...] = ()
    overflows: bool = False


def fit(capabilities: Capabilities, needs: Needs, *, factor: float = 1.0) -> Fit:
    """Return how the provider suits the request; what nobody knows counts as fitting. `factor` scales `needs.tokens`.

    The answer is reckoned with a quarter of the window at most, as L1 does: agents ask for 32,000 tokens with every
    request, and a small model that has room for the prompt must not lose its place to a paid one for that."""
    wanted: tuple[tuple[str, bool, Flag], ...] = (
        ("thinking", needs.thinking, capabilities.thinking),
        ("tools", needs.tools, capabilities.tools),
        ("vision", needs.vision, capabilities.vision),
        ("tool_choice", needs.tool_choice, capabilities.tool_choice),
    )
    return Fit(
        lacking=tuple(name for name, is_needed, flag in wanted if is_needed and flag.value is False),
        lossy=(_CACHE_MARK,) if needs.cache_control and capabilities.cache_control.value is False else (),
        overflows=ceil(needs.tokens * factor) > usable_window(capabilities.window, needs.max_tokens),
    )


def needs_of_body(document: Mapping[str, Any], dialect: DialectName, tokens: int) -> Needs:
    """Return what a client's parsed body asks for, without decoding it. Any shape is read."""
    is_messages = dialect is DialectName.ANTHROPIC
    thinking = document.get("thinking")
    tools = document.get("tools") or document.get("functions")
    blocks = list(_blocks(document.get("messages")))
    return Needs(
        thinking=is_messages and isinstance(thinking, dict) and thinking.get("type") in _THINKS,
        cache_control=is_messages and any(map(_is_marked, (*blocks, *_items(document.get("system")), *_items(tools)))),
        tools=bool(tools),
        vision=any(block.get("type") in _IMAGES for block in blocks),
        tool_choice=bool(tools) and _is_forced(document.get("tool_choice")),
        tokens=tokens,
        max_tokens=output_limit(document, dialect),
    )


def output_limit(document: Mapping[str, Any], dialect: DialectName) -> int | None:
    """Return the longest answer that a client's parsed body asks for, in tokens; None where it does not say."""
    limit = None if dialect is DialectName.ANTHROPIC else as_integer(document.get("max_completion_tokens"))
    return as_integer(document.get("max_tokens")) if limit is None else limit


def _blocks(messages: object) -> Iterator[dict[str, Any]]:
    """Yield the content blocks of every message, those inside tool results among them."""
    for message in _items(messages):
        for block in _items(message.get("content")):
            yield block
            if block.get("type") == "tool_result":
                yield from _items(block.get("content"))


def _items(value: object) -> Iterator[dict[str, Any]]:
    yield from (item for item in (value if isinstance(value, list) else ()) if isinstance(item, dict))


def _is_marked(block: dict[str, Any]) -> bool:
    return block.get(_CACHE_MARK) is not None


def _is_forced(choice: object) -> bool:
    word = choice.get("type") if isinstance(choice, dict) else choice
    return word in _FORCED_WORDS
