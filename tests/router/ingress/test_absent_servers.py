"""A local server that was never there is no alarm: what a chain says of it is information, until it has answered once."""

from __future__ import annotations

import logging

import pytest

from router.config.schema import RestartConfig
from router.errors import FailureReason, ProviderFailed
from router.observers.events import EVENTS, level_of
from tests.builders import CHAT, Script, ScriptedProvider, chat_stream
from tests.router.ingress.rig import Rig

GOOD = Script(chunks=chat_stream("hi"))
LOCAL, REMOTE = "http://localhost:11434/v1", "https://models.example/v1"
MANAGED = RestartConfig(mode="managed", argv=("python",))
TOLD = ("provider-failed", "fallback-occurred")


def refused(reason: FailureReason = FailureReason.CONNECTION, message: str = "cannot connect: Connection refused") -> Script:
    return Script(refusal=ProviderFailed(provider="a", reason=reason, message=message))


async def levels(*scripts: Script, url: str = LOCAL, **keys: object) -> list[int]:
    """Return at which level the log tells that the first of two providers failed; one request per script."""
    providers = [ScriptedProvider(name="a", scripts=scripts), ScriptedProvider(name="b", scripts=[GOOD])]
    rig = Rig(providers=providers, keys={"a": {"base_url": url, **keys}})
    for _ in scripts:
        await rig.ask(CHAT, stream=True)
    told = [(name, fields) for name, fields in rig.observer.events if name in TOLD]
    assert {name for name, _ in told} == set(TOLD)
    assert all(set(fields) <= set(EVENTS[name].fields) for name, fields in told)
    return [level_of(name, fields) for name, fields in told]


async def test_a_local_server_that_was_never_there_is_told_as_a_detail() -> None:
    assert await levels(refused()) == [logging.DEBUG, logging.DEBUG]


async def test_one_that_has_answered_is_missed() -> None:
    assert await levels(GOOD, refused()) == [logging.WARNING, logging.WARNING]


@pytest.mark.parametrize(
    "script", [refused(FailureReason.UPSTREAM_5XX), refused(message="the connection broke: Connection reset by peer")]
)
async def test_one_that_is_there_and_fails_is_a_warning(script: Script) -> None:
    assert await levels(script) == [logging.WARNING, logging.WARNING]


async def test_a_remote_server_that_cannot_be_reached_is_a_warning() -> None:
    assert await levels(refused(), url=REMOTE) == [logging.WARNING, logging.WARNING]


async def test_a_managed_server_that_cannot_be_had_is_a_warning() -> None:
    assert await levels(refused(), restart=MANAGED) == [logging.WARNING, logging.WARNING]
