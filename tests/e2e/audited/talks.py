"""Scenes with clients: everything that is decided about a request, by real processes before the fake upstream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tomlkit
import trio

from tests.e2e.audited.common import AUDIT, PATIENCE_S, ask, configured, told_in, wait_audited
from tests.e2e.clients import open_client
from tests.e2e.daemon import free_port, open_router, provider
from tests.e2e.watched.script import Script
from tests.e2e.watched.setting import Answers, configuration
from tests.fakes.upstream import open_upstream

RESTS_S = 10  # of a provider whose answers have got worse; the schema allows no less
KEYS = {"KEY_1": "first", "KEY_2": "second"}


async def everything_counted(directory: Path) -> None:
    """Do to a router what has every family of its metrics tell something, then wait until a drifted provider is back."""
    async with open_upstream(respond=Answers()) as upstream:
        port = free_port()
        document = tomlkit.parse(configuration(port, upstream.port, directory)).unwrap()
        for profile in document["profiles"]:
            if profile["name"] == "tired":
                profile["drift_detection_cooldown_s"] = RESTS_S
        text = tomlkit.dumps({**document, **AUDIT})
        async with open_router(text, directory=directory) as router, open_client(router) as client:
            script = Script(
                router=router, client=client, upstream_port=upstream.port, directory=directory, more=tomlkit.dumps(AUDIT)
            )
            await script.let_happen()
            await wait_audited(directory, "self-healing-restart-suppressed")
            with trio.fail_after(PATIENCE_S):
                while "drift-recovered" not in told_in(directory):
                    await script.ask("tired", pause_s=1.0)  # the first answer after the rest tells it; lines are a second late


async def what_a_request_meets(directory: Path) -> None:
    """Have a request meet loops, limits, empty and broken answers, refused keys, and nobody at all."""
    async with open_upstream() as upstream:

        def chat(name: str, model: str, **keys: object) -> dict[str, Any]:
            return {**provider(name, upstream.port, kind="openai_compat", **keys), "model": model}

        providers = [
            chat("good", "ok", cost={"output_tokens_per_million": 100_000.0, "monthly_budget_usd": 0.5}),
            chat("keyless", "ok", api_key_env="NO_SUCH_KEY"),
            chat("pool", "status-429", api_key_envs=list(KEYS)),
            chat("silent", "no-text"),
            chat("cut", "truncated-mid"),
        ]
        profiles: dict[str, dict[str, Any]] = {
            "looping": {"providers": ["good"], "max_tool_calls": 2},
            "nobody": {"providers": ["keyless"]},
            "pool": {"providers": ["pool", "good"]},
            "silent": {"providers": ["silent", "good"]},
            "cut": {"providers": ["cut"]},
        }
        text = configured(directory, providers, profiles)
        async with open_router(text, directory=directory, env=KEYS) as router:
            await ask(router, "looping", messages=_in_a_loop())
            for profile in ("nobody", "pool", "silent"):
                await ask(router, profile)
            await ask(router, "cut", stream=True)
            await ask(router, "looping", times=2)


def _in_a_loop() -> list[dict[str, Any]]:
    """Return a talk in which the model makes the same call again and again."""
    talk: list[dict[str, Any]] = [{"role": "user", "content": "What is in a.txt?"}]
    for number in range(4):
        call = {"name": "read_file", "arguments": json.dumps({"path": "a.txt"})}
        talk.append(
            {"role": "assistant", "content": None, "tool_calls": [{"id": f"call_{number}", "type": "function", "function": call}]}
        )
        talk.append({"role": "tool", "tool_call_id": f"call_{number}", "content": "nothing"})
    return talk
