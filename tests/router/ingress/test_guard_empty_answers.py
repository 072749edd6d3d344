"""L6: answers without content, in every way (`empty_response_action`); streams that break off are in test_stitch.py."""

from __future__ import annotations

import pytest

from router.errors import FailureReason
from tests.builders import a_profile
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Heard, Way, every_way, heard


def a_rig(way: Way, action: str, *, is_alone: bool = False, thinking: str = "") -> Rig:
    empty = way.provider(way.script(thinking=thinking))
    providers = [empty] if is_alone else [empty, way.provider(way.script("from b"), name="b")]
    names = [provider.name for provider in providers]
    return Rig(providers=providers, profile=a_profile(*names, empty_response_action=action))


@every_way
async def test_fallback_asks_the_next_provider_unseen(way: Way) -> None:
    rig = a_rig(way, "fallback")

    talk = await rig.ask(way.client, stream=way.is_stream)

    assert heard(way, talk) == Heard(text="from b", stop="end")
    failure = rig.sink.attempts[0].failure
    assert failure is not None
    assert failure.reason is FailureReason.EMPTY_RESPONSE
    (line,) = rig.observer.named("request-complete")
    assert line["chain"] == ["a:empty-response", "b:ok"]


@every_way
@pytest.mark.parametrize(("action", "is_told"), [("off", False), ("warn", True)])
async def test_off_and_warn_take_it_for_an_answer(way: Way, action: str, *, is_told: bool) -> None:
    rig = a_rig(way, action)

    talk = await rig.ask(way.client, stream=way.is_stream)

    assert heard(way, talk) == Heard(stop="end")
    assert [len(provider.calls) for provider in rig.providers] == [1, 0]
    told = [(one["provider"], one["action"], one["stream"]) for one in rig.observer.named("empty-response-detected")]
    assert told == ([("a", action, way.is_stream)] if is_told else [])


@every_way
@pytest.mark.parametrize("action", ["off", "warn", "fallback"])
async def test_nobody_left_who_could_do_better_it_is_the_answer(way: Way, action: str) -> None:
    rig = a_rig(way, action, is_alone=True)

    talk = await rig.ask(way.client, stream=way.is_stream)

    assert (talk.status, heard(way, talk)) == (200, Heard(stop="end"))
    assert rig.sink.attempts[0].is_ok


@every_way
async def test_thinking_that_the_client_is_not_shown_is_no_content(way: Way) -> None:
    rig = a_rig(way, "fallback", thinking="Hm.")

    said = heard(way, await rig.ask(way.client, stream=way.is_stream))

    is_shown = way.client is way.upstream and way.client.value == "anthropic"
    assert said == (Heard(thinking="Hm.", stop="end") if is_shown else Heard(text="from b", stop="end"))
