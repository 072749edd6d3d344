"""L4 at the handler, in every way: who is told of worse answers, who is asked instead, when it is over (supervision.md 5)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import trio
from trio.testing import MockClock

from router.domain.health import HealthPolicy
from router.errors import FailureReason, ProviderFailed
from supervisors.health_board import HealthBoard
from tests.builders import ANTHROPIC, CHAT, RememberingObserver, Script, a_profile
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Way, asked, every_way, heard, over_chat, rounds, tool

FILL = 6  # of the preset `normal`
REST_S = 300
HEADER = "x-router-drift"
COMMENT = f"{HEADER}: "
WORDS = ("It is in line 42.",)
SEVERE, MILD = "severe", "mild"


def scripts_of(way: Way, severity: str | None) -> list[Script]:
    """Return answers of which the last one of FILL shows that severity: shorter and shorter, or never a call."""
    lengths = [100, 100, 100, 5, 5, 5] if severity == SEVERE else [100] * FILL
    return [way.script(*WORDS, output=length) for length in lengths]


def question(way: Way, severity: str | None) -> dict[str, Any]:
    """Return a request after which a call is due, where it is to be missed."""
    if severity != MILD:
        return {}
    path: dict[str, object] = {"path": "a"}
    messages = [{"role": "user", "content": "Look."}, *rounds(way.client, ("Read", path))]
    return {"messages": messages, "tools": [tool(way.client, "Read", path={"type": "string"})]}


def a_rig(way: Way, action: str, severity: str | None, *, with_board: bool = False) -> Rig:
    observer = RememberingObserver()
    board = None
    if with_board:
        board = HealthBoard(observer=observer)
        for name in "ab":
            board.add(name, HealthPolicy())
    return Rig(
        providers=[way.provider(*scripts_of(way, severity)), way.provider(way.script("from b"), name="b")],
        keys={"a": {"tool_repair": "off"}, "b": {"tool_repair": "off"}},
        profile=a_profile("a", "b", drift_detection_action=action),
        more_profiles=[a_profile("a", "b", name="unwatched")],
        observer=observer,
        health_board=board,
    )


async def ask(rig: Rig, way: Way, severity: str | None = None, **body: Any) -> Conversation:  # noqa: ANN401 - keys by name
    return await rig.ask(way.client, stream=way.is_stream, **question(way, severity), **body)


def told(way: Way, talk: Conversation) -> str | None:
    """Return the verdict as the client reads it: in the head of a whole answer, behind a stream."""
    comments = [comment.removeprefix(COMMENT) for comment in heard(way, talk).comments if comment.startswith(COMMENT)]
    header = talk.headers.get(HEADER)
    assert not comments if not way.is_stream else header is None
    return next(iter(comments), None) if way.is_stream else header


@every_way
@pytest.mark.parametrize("severity", [None, MILD, SEVERE])
@pytest.mark.parametrize("action", ["off", "warn", "promote", "reload"])
async def test_the_answer_that_shows_it_says_so_and_no_other(way: Way, severity: str | None, action: str) -> None:
    rig = a_rig(way, action, severity)

    verdicts = [told(way, await ask(rig, way, severity)) for _ in range(FILL)]

    found = severity if action != "off" else None
    assert verdicts == [None] * (FILL - 1) + [found]
    lines = rig.observer.named("drift-detected")
    assert [(one["provider"], one["profile"], one["severity"], one["action"]) for one in lines] == (
        [("a", "default", found, action)] if found else []
    )
    is_moved = found is not None and action in ("promote", "reload")
    assert rig.sink.drifts == ([("a", REST_S, action == "reload")] if is_moved else [])
    assert [(one["provider"], one["cooldown_s"]) for one in rig.observer.named("drift-promoted")] == [("a", REST_S)] * is_moved


@every_way
async def test_the_comment_is_the_last_of_a_stream_that_is_whole(way: Way) -> None:
    rig = a_rig(way, "warn", SEVERE)

    *_, last = [await ask(rig, way) for _ in range(FILL)]

    assert heard(way, last).stop == "end"
    assert last.body.endswith(b"\n\n: x-router-drift: severe\n\n") is way.is_stream
    assert last.is_complete


@every_way
async def test_warn_says_it_again_as_long_as_it_lasts(way: Way) -> None:
    rig = a_rig(way, "warn", SEVERE)

    verdicts = [told(way, await ask(rig, way)) for _ in range(FILL + 1)]

    assert verdicts[-2:] == [SEVERE, SEVERE]
    assert asked(rig) == ["a"] * (FILL + 1)


@every_way
@pytest.mark.parametrize("action", ["promote", "reload"])
async def test_who_has_drifted_is_asked_last_until_its_rest_is_over(way: Way, action: str, autojump_clock: MockClock) -> None:
    rig = a_rig(way, action, SEVERE, with_board=True)
    for _ in range(FILL):
        await ask(rig, way)

    answers = [heard(way, await ask(rig, way)).text]
    unwatched = heard(way, await ask(rig, way, profile="unwatched")).text
    await trio.sleep(REST_S - 1)
    answers.append(heard(way, await ask(rig, way)).text)
    await trio.sleep(2)
    after = await ask(rig, way)

    assert answers == ["from b", "from b"]
    assert unwatched == "from b"  # it is the provider that is not well
    assert (heard(way, after).text, told(way, after)) == (WORDS[0], None)
    (line,) = rig.observer.named("drift-recovered")
    assert (line["provider"], line["profile"]) == ("a", "default")


@every_way
async def test_a_rest_without_any_traffic_ends_as_well_and_the_window_begins_afresh(way: Way, autojump_clock: MockClock) -> None:
    rig = a_rig(way, "promote", SEVERE, with_board=True)
    for _ in range(FILL):
        await ask(rig, way)
    await trio.sleep(REST_S + 1)

    verdicts = [told(way, await ask(rig, way)) for _ in range(FILL)]

    assert verdicts == [None] * FILL
    assert len(rig.observer.named("drift-detected")) == 1


@every_way
async def test_the_answer_of_the_next_provider_says_nothing_of_the_one_that_failed(way: Way) -> None:
    rig = a_rig(way, "warn", None)
    down = Script(refusal=ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="refused"))
    rig.providers[0].scripts = [down]

    verdicts = [told(way, await ask(rig, way)) for _ in range(FILL)]

    assert len(rig.observer.named("drift-detected")) == 1
    assert verdicts == [None] * FILL


@every_way
async def test_a_profile_that_does_not_watch_tells_nothing_of_what_another_has_seen(way: Way) -> None:
    rig = a_rig(way, "warn", SEVERE)
    for _ in range(FILL):
        await ask(rig, way)

    assert told(way, await ask(rig, way, profile="unwatched")) is None


@every_way
async def test_a_call_that_was_written_as_text_and_repaired_is_no_silence(way: Way) -> None:
    rig = a_rig(way, "warn", MILD)
    rig.keys = {"a": {"tool_repair": "balanced"}}
    written = '<tool_call>{"name": "Read", "arguments": {"path": "b"}}</tool_call>'
    rig.providers[0].scripts = [way.script("I read on.\n", written)]

    talks = [await ask(rig, way, MILD) for _ in range(FILL)]

    assert [heard(way, talk).calls for talk in talks] == [(("Read", {"path": "b"}),)] * FILL
    assert [told(way, talk) for talk in talks] == [None] * FILL


@over_chat
async def test_a_server_that_tells_no_usage_has_not_fallen_silent(way: Way) -> None:
    rig = a_rig(way, "warn", None)
    assert way.upstream is CHAT
    silent = [_without_usage(script) for script in scripts_of(way, None)]
    rig.providers[0].scripts = silent

    verdicts = [told(way, await ask(rig, way)) for _ in range(FILL)]

    assert verdicts == [None] * FILL


def an_empty_rig(way: Way, *names: str, thinking: str = "", **keys: Any) -> Rig:  # noqa: ANN401 - a profile's, by name
    """Return one who always says nothing, of so many tokens: `a`, and behind it the others."""
    others = [way.provider(way.script("from b"), name=name) for name in names]
    empty = way.provider(way.script(thinking=thinking, output=7))
    return Rig(providers=[empty, *others], profile=a_profile("a", *names, drift_detection_action="warn", **keys))


@every_way
@pytest.mark.parametrize("commit_policy", ["first_content", "first_event"])
async def test_an_answer_that_says_nothing_is_an_empty_one_whatever_was_counted(way: Way, commit_policy: str) -> None:
    rig = an_empty_rig(way, commit_policy=commit_policy)

    verdicts = [told(way, await ask(rig, way)) for _ in range(FILL)]

    assert verdicts == [None] * (FILL - 1) + [SEVERE]
    assert [line["reason"] for line in rig.observer.named("drift-detected")] == ["empty_response_rate"]


@every_way
async def test_one_for_which_the_next_provider_is_asked_is_empty_and_no_error(way: Way) -> None:
    rig = an_empty_rig(way, "b")

    verdicts = [told(way, await ask(rig, way)) for _ in range(FILL)]

    assert verdicts == [None] * FILL  # the answers are of another one
    (line,) = rig.observer.named("drift-detected")
    assert (line["severity"], line["reason"]) == (SEVERE, "empty_response_rate")


@every_way
async def test_reasoning_counts_where_the_client_is_shown_it(way: Way) -> None:
    rig = an_empty_rig(way, thinking="Hm.")
    is_shown = (way.client, way.upstream) == (ANTHROPIC, ANTHROPIC)

    verdicts = [told(way, await ask(rig, way)) for _ in range(FILL)]

    assert verdicts[-1] == (None if is_shown else SEVERE)


@every_way
async def test_a_server_that_counts_no_token_of_a_text_has_said_something(way: Way) -> None:
    rig = a_rig(way, "warn", None)
    rig.providers[0].scripts = [way.script(*WORDS, output=0)]

    verdicts = [told(way, await ask(rig, way)) for _ in range(FILL)]

    assert verdicts == [None] * FILL


def _without_usage(script: Script) -> Script:
    if script.is_event_stream:
        return Script(chunks=[one for one in script.chunks if not (isinstance(one, bytes) and b'"usage"' in one)])
    (body,) = script.chunks
    assert isinstance(body, bytes)
    document = {key: value for key, value in orjson.loads(body).items() if key != "usage"}
    return Script(chunks=[orjson.dumps(document)], is_event_stream=False)
