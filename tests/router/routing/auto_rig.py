"""Requests for the auto router, in both dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.config.schema import RoutingConfig
from router.config.schema_rules import AutoRouterConfig, AutoRuleConfig, MatchConfig
from router.routing.auto_facts import Facts
from router.routing.auto_rules import AutoRouter
from tests.builders import a_config, a_profile, a_provider

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
IMAGE_URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
REMINDER = {"type": "text", "text": "<system-reminder>\nbe brief ```x```\n</system-reminder>"}
PROFILES = ("writing", "multi", "coding", "small")


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def result(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": list(content)}


def user(*content: dict[str, Any] | str) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}


def assistant(words: str = "well") -> dict[str, Any]:
    return {"role": "assistant", "content": words}


def facts(
    *messages: dict[str, Any],
    headers: Mapping[str, str] | None = None,
    path: str = "/v1/messages",
    model: str = "m",
    is_stream: bool = False,
    **body: object,
) -> Facts:
    """Return the facts of a request of these messages."""
    document = {"messages": list(messages), **body}
    return Facts(document=document, headers=headers or {}, path=path, model=model, is_stream=is_stream)


def rule(profile: str = "coding", name: str = "user:r", **match: object) -> AutoRuleConfig:
    return AutoRuleConfig(id=name, profile=profile, match=MatchConfig(**match))  # type: ignore[arg-type]  # keys by name


def router(*rules: AutoRuleConfig, **block: object) -> AutoRouter:
    """Return the router of a block with these rules."""
    return of_block(AutoRouterConfig(rules=rules, **block))  # type: ignore[arg-type]  # keys by name


def of_block(block: AutoRouterConfig | None) -> AutoRouter:
    profiles = [a_profile("p", name=name) for name in PROFILES]
    routing = RoutingConfig(default_profile="auto")
    return AutoRouter.of(a_config(a_provider("p"), profiles=profiles, routing=routing, auto_router=block))
