"""A configuration in which everything that is counted can happen within seconds, and the upstreams that make it happen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from attrs import define

from tests.e2e.daemon import provider, router_config
from tests.fakes.pieces import Asked, Wire
from tests.fakes.plans import CATALOGUE, Plan, failing
from tests.fakes.sender import Sender, answer, send_json
from tests.fakes.upstream import Exchange

SHRINKING = (100, 100, 100, 5, 5, 5)  # output tokens, answer by answer: a model that says less and less
TIRED = "tired"  # the model that answers so
_PRICES = {"input_tokens_per_million": 3.0, "output_tokens_per_million": 15.0}


def _chat(model: str, text: str, **usage: object) -> bytes:
    message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    told = {"prompt_tokens": 1000, "completion_tokens": 50, **usage}
    return json.dumps(
        {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [message], "usage": told}
    ).encode()


_CREATED = {"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 700, "cache_read_input_tokens": 0}
_MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "writes-cache",
    "stop_reason": "end_turn",
    "usage": _CREATED,
}
ANSWERS: Mapping[str, Plan] = {
    "cached": Plan(body=_chat("another-model", "kept", prompt_tokens_details={"cached_tokens": 800})),
    "writes-cache": Plan(body=json.dumps({**_MESSAGE, "content": [{"type": "text", "text": "kept"}]}).encode()),
    "thinks": Plan(texts=("<think>", "well", "</think>", "hello")),
    "out-of-memory": failing(500, body=b'{"error": {"message": "CUDA error: out of memory"}}'),
    **CATALOGUE,
}


@define
class Answers:
    """What the fake upstream answers to each model; counts those of the tired one."""

    tired: int = 0

    async def __call__(self, exchange: Exchange, sender: Sender) -> None:
        """Answer one request."""
        if exchange.method == "GET" or exchange.target.startswith("/api/"):
            await send_json(sender, 200, {"object": "list", "data": [{"id": "ok"}]})
            return
        asked = exchange.json()
        wire = Wire.ANTHROPIC if "messages" in exchange.target else Wire.CHAT
        options = asked.get("stream_options")
        is_told = isinstance(options, dict) and bool(options.get("include_usage"))
        about = Asked(wire=wire, model=str(asked["model"]), stream=bool(asked.get("stream")), include_usage=is_told)
        await answer(sender, self._plan(about.model), about)

    def _plan(self, model: str) -> Plan:
        if model != TIRED:
            return ANSWERS[model]
        self.tired += 1
        return Plan(body=_chat(TIRED, "as ever", completion_tokens=SHRINKING[min(self.tired, len(SHRINKING)) - 1]))


def configuration(port: int, upstream_port: int, directory: Path, *, last_resort: bool = True) -> str:
    """Return the configuration: a provider for each thing that can happen, and a profile that lets it."""

    def chat(name: str, model: str, **keys: object) -> dict[str, Any]:
        return {**provider(name, upstream_port, kind="openai_compat", **keys), "model": model}

    restart = {"mode": "oneshot", "argv": ["true"], "group": "the-server", "cooldown_s": 3600}
    providers = [
        chat("good", "ok"),
        chat("cached", "cached", cost=_PRICES),
        {**provider("writer", upstream_port, cost=_PRICES), "model": "writes-cache"},
        chat("filtered", "thinks", output_filters=["strip_thinking"]),
        chat("reasons", "reasoning"),
        chat("paid", "ok", paid=True),
        chat("spent", "ok", cost={**_PRICES, "monthly_budget_usd": 0.0}),
        chat("full", "out-of-memory"),
        chat("locked-1", "status-401"),
        chat("locked-2", "status-401"),
        chat("narrow", "ok", max_context_tokens=2000),
        chat("tired", TIRED, extra_body={"options": {"num_ctx": 8192}}),  # Ollama by its word: it can be flushed
        chat("cut", "reset-mid"),
        chat("shaky", "status-500"),
        chat("down", "status-500", restart=restart),
    ]
    chains = {
        "plain": ["good"],
        "cached": ["cached"],
        "writer": ["writer"],
        "filtered": ["filtered"],
        "reasons": ["reasons"],
        "paid": ["paid"],
        "spent": ["spent"],
        "full": ["full"],
        "locked": ["locked-1", "locked-2"],
        "warned": ["narrow"],
        "trimmed": ["narrow"],
        "tired": ["tired", "good"],
        "cut": ["cut"],
        "shaky": ["shaky", "good"],
        "down": ["down", "good"],
        "alone": ["down"],
        "writing": ["good"],
    }
    keys: dict[str, dict[str, object]] = {
        "full": {"memory_pressure_action": "skip"},
        "warned": {"context_budget_action": "warn", "context_budget_warn_threshold": 0.1},
        "trimmed": {
            "context_budget_action": "trim",
            "context_budget_warn_threshold": 0.4,
            "context_budget_trim_threshold": 0.5,
            "context_budget_trim_target": 0.4,
        },
        "tired": {"drift_detection_action": "reload"},
        "cut": {"partial_stitch_action": "surface"},
        "shaky": {"backend_health_action": "demote", "backend_health_threshold": 2},
        "down": _EXCLUDES,
        "alone": _EXCLUDES,
    }
    server = {"log_level": "error", "state_dir": str(directory / "state")}
    document = tomlkit.parse(router_config(port, providers=providers, profiles=chains, server=server)).unwrap()
    document["profiles"] = [{**profile, **keys.get(profile["name"], {})} for profile in document["profiles"]]
    document["routing"] |= {"default_profile": "auto", "last_resort": last_resort}
    images = {"id": "images", "profile": "plain", "match": {"has_image": True}}
    more = {
        "auto_router": {"rules": [images]},
        "probe": {"enabled": True, "interval_s": 5, "jitter": 0.0},
        "budget": {"monthly_usd": 100.0},
    }
    return tomlkit.dumps({**document, **more})


_EXCLUDES: dict[str, object] = {
    "backend_health_action": "exclude",
    "backend_health_threshold": 2,
    "recovery_probe_initial_s": 5,
    "recovery_probe_max_s": 30,
}
