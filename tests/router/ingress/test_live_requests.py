"""Who is being answered now, and an operator's wish to end it, on the virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import orjson
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from router.config.redact import MAX_WORD_CHARS, Redactor
from router.config.secret import Secret
from router.domain.request import DialectName
from router.errors import NotFound
from router.ingress.live_requests import LiveRequest, LiveRequests, Phase, live_body, program_of
from router.ingress.record import Record
from router.routing.limits import Fairness, FairnessRules
from router.routing.session import AgentTag
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, a_profile, chat_reply, chat_stream
from tests.router.ingress.memory import Conversation, Seen
from tests.router.ingress.rig import PATHS, Rig, check_grammar, data_of

NAME = "req_of_mine"
SLOW = Script(chunks=[30.0, *chat_stream("hello")])
BODIES: Mapping[DialectName, Mapping[str, object]] = {
    DialectName.OPENAI_RESPONSES: {"messages": None, "max_tokens": None, "input": "hi"},
    DialectName.GEMINI: {"messages": None, "max_tokens": None, "model": None, "contents": [{"parts": [{"text": "hi"}]}]},
}
HALF = Script(chunks=[*chat_stream("one", "two")[:2], 30.0, *chat_stream("one", "two")[2:]])
WHOLE = Script(chunks=[30.0, chat_reply("hello")], is_event_stream=False)


def a_rig(*scripts: Script) -> Rig:
    return Rig(providers=[ScriptedProvider(name="a", dialect=CHAT, scripts=scripts)], profile=a_profile("a"))


async def during(
    rig: Rig,
    look: Callable[[], object],
    *,
    after_s: float = 1.0,
    dialect: DialectName = ANTHROPIC,
    leave_after_s: float | None = None,
    stream: bool = True,
    session: str = "",
) -> Conversation:
    """Ask, and look or act once so much time has passed; return the conversation."""

    async def act() -> None:
        await trio.sleep(after_s)
        look()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(act)
        body = {"stream": stream, **BODIES.get(dialect, {})}
        headers = [("x-request-id", NAME), ("x-router-session", session)]
        talk = await rig.ask(dialect, headers=headers, leave_after_s=leave_after_s, **body)
    assert talk.is_complete or leave_after_s is not None
    return talk


def seen(rig: Rig, found: list[LiveRequest]) -> Callable[[], None]:
    return lambda: found.extend(rig.live.shown())


def seen_and_cancelled(rig: Rig, found: list[LiveRequest]) -> Callable[[], None]:
    def act() -> None:
        found.extend(rig.live.shown())
        rig.live.cancel(NAME)

    return act


async def test_a_request_is_shown_from_its_first_byte_to_its_last(autojump_clock: MockClock) -> None:
    rig, found = a_rig(HALF), list[LiveRequest]()

    await during(rig, seen(rig, found))

    assert [(one.id, one.dialect, one.profile, one.provider, one.phase, one.attempts) for one in found] == [
        (NAME, "anthropic", "default", "a", Phase.ANSWERING, 1)
    ]
    assert (found[0].opened_at, found[0].first_at, found[0].can_cancel) == (0.0, 0.0, True)
    assert rig.live.shown() == ()


async def test_the_page_says_whose_request_it_is_how_far_and_since_when(autojump_clock: MockClock) -> None:
    rig, bodies = a_rig(HALF), list[dict[str, object]]()

    await during(rig, lambda: bodies.append(live_body(rig.live.shown(), trio.current_time())), session="mine")

    assert bodies == [
        {
            "requests": [
                {
                    "id": NAME,
                    "age_s": 1.0,
                    "phase": "answering",
                    "client": None,
                    "session": "mine",
                    "request_class": None,
                    "agent": None,
                    "dialect": "anthropic",
                    "asked_model": "m",
                    "profile": "default",
                    "provider": "a",
                    "model": "model-of-a",
                    "attempts": 1,
                    "stream": True,
                    "ttft_ms": 0.0,
                    "can_cancel": True,
                }
            ]
        }
    ]


async def test_what_is_not_known_of_a_request_yet_is_null() -> None:
    exchange = Conversation(headers=[("x-request-id", NAME)]).exchange()
    live = LiveRequests()
    with live.entered(exchange, Record(exchange=exchange, observer=Seen())):
        told = orjson.loads(orjson.dumps(live_body(live.shown(), trio.current_time())))

    unknown = ("session", "request_class", "profile", "provider", "model", "ttft_ms")
    assert [[one[key] for key in ("phase", *unknown)] for one in told["requests"]] == [["reading", *[None] * 6]]


@pytest.mark.parametrize(
    ("user_agent", "client"),
    [
        ("claude-cli/2.0.1 (external, cli)", "claude-code"),
        ("AsyncOpenAI/Python 1.2", "openai-sdk"),
        ("  python-httpx/0.27", "python-httpx"),
        ("Aider 0.8", "Aider"),
        ("<b>/1", ""),
        ("x" * 5000, "x" * 40),
        ("", ""),
    ],
)
def test_a_client_is_named_by_its_kind_else_by_its_first_word(user_agent: str, client: str) -> None:
    assert program_of(user_agent) == client


async def test_what_tells_agents_apart_is_shown(autojump_clock: MockClock) -> None:
    rig, found = a_rig(SLOW, SLOW), list[LiveRequest]()
    tags = {"user-agent": "claude-cli/2", "x-claude-code-session-id": "s-1", "x-claude-code-agent-id": "a-7"}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(rig.ask, ANTHROPIC, headers=list(tags.items()), stream=True, model="best"))
        nursery.start_soon(partial(during, rig, seen(rig, found)))

    unknown, agent = sorted(found, key=lambda one: one.client)
    told = (agent.client, agent.session, agent.request_class, agent.agent, agent.asked_model, agent.model)
    assert told == ("claude-code", "s-1", "subagent", "a-7", "best", "model-of-a")
    assert (unknown.client, unknown.session, unknown.request_class, unknown.agent) == ("", "", "", "")


async def test_requests_of_one_name_have_numbers_of_their_own(autojump_clock: MockClock) -> None:
    rig, found = a_rig(SLOW, SLOW), list[LiveRequest]()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(during, rig, seen(rig, found)))
        nursery.start_soon(partial(during, rig, lambda: None))

    assert [one.id for one in found] == [NAME, NAME]
    assert len({one.number for one in found}) == 2


async def test_before_its_first_content_a_provider_is_asked_only(autojump_clock: MockClock) -> None:
    rig, found = a_rig(SLOW), list[LiveRequest]()

    await during(rig, seen(rig, found))

    assert [(one.phase, one.first_at) for one in found] == [(Phase.ASKING, None)]


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_cancelled_request_gets_an_error_of_its_dialect_that_no_client_repeats(
    autojump_clock: MockClock, dialect: DialectName, *, stream: bool
) -> None:
    rig = a_rig(SLOW if stream else WHOLE)

    talk = await during(rig, lambda: rig.live.cancel(NAME), dialect=dialect, stream=stream)

    assert talk.is_complete
    assert b"an operator cancelled this request" in talk.body
    assert talk.status == 403 or (stream and talk.status == 200)  # in the stream, where the dialect tells errors only there
    assert trio.current_time() == 1.0


@pytest.mark.parametrize("dialect", [ANTHROPIC, CHAT])
async def test_a_stream_that_has_begun_ends_in_its_own_error_event(autojump_clock: MockClock, dialect: DialectName) -> None:
    rig = a_rig(HALF)

    talk = await during(rig, lambda: rig.live.cancel(NAME), dialect=dialect)

    check_grammar(dialect, talk.body)
    assert (talk.status, talk.is_complete) == (200, True)
    assert "an operator cancelled" in orjson.dumps(data_of(talk.body)).decode()


async def test_a_cancel_is_nobody_s_failure(autojump_clock: MockClock) -> None:
    rig = a_rig(HALF)

    await during(rig, lambda: rig.live.cancel(NAME))

    (complete,) = rig.observer.named("request-complete")
    (attempt,) = rig.observer.named("attempt-complete")
    assert (complete["outcome"], attempt["outcome"]) == ("cancelled-by-operator", "cancelled")
    assert [attempt.failure for attempt in rig.sink.attempts] == [None]
    assert rig.observer.named("provider-failed") == rig.observer.named("client-disconnected") == []


async def test_one_that_waits_for_its_turn_is_cancelled_there(autojump_clock: MockClock) -> None:
    rig = a_rig(SLOW)
    rig.fairness = Fairness(rules=FairnessRules(max_running=1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(rig.ask, ANTHROPIC, stream=True))
        await wait_all_tasks_blocked()
        found: list[LiveRequest] = []
        talk = await during(rig, seen_and_cancelled(rig, found))
        nursery.cancel_scope.cancel()

    assert [one.phase for one in found] == [Phase.ASKING, Phase.QUEUED]
    assert talk.status == 403
    assert len(rig.providers[0].calls) == 1


async def test_whoever_is_cancelled_twice_is_ending_the_second_time(autojump_clock: MockClock) -> None:
    rig, told = a_rig(SLOW), list[bool]()

    await during(rig, lambda: told.extend([rig.live.cancel(NAME), rig.live.cancel(NAME)]))

    assert told == [True, False]


async def test_an_answer_that_is_read_on_for_nobody_may_be_cancelled_and_is_shown_as_that(autojump_clock: MockClock) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=CHAT, scripts=[HALF])], keys={"a": {"on_disconnect": "drain"}})
    found: list[LiveRequest] = []

    await during(rig, seen_and_cancelled(rig, found), after_s=2.0, leave_after_s=1.0)

    assert [one.phase for one in found] == [Phase.READING_ON]
    assert trio.current_time() == 2.0


def test_an_unknown_id_is_not_found() -> None:
    with pytest.raises(NotFound):
        a_rig(SLOW).live.cancel("req_unknown")


@pytest.mark.parametrize(("is_stream", "is_cut"), [(True, True), (False, False)], ids=["stream", "whole"])
async def test_an_answer_that_has_begun_as_a_whole_is_not_cut_and_a_stream_is(*, is_stream: bool, is_cut: bool) -> None:
    exchange = Conversation(headers=[("x-request-id", NAME)]).exchange()
    record = Record(exchange=exchange, observer=Seen(), is_stream=is_stream)
    live = LiveRequests()
    with live.entered(exchange, record) as entry:
        await exchange.start(200, [("content-length", "1000")])
        (shown,) = live.shown()

        assert (shown.can_cancel, live.cancel(NAME), entry.outer.cancel_called) == (is_cut, is_cut, is_cut)


async def test_a_whole_answer_of_which_nothing_is_sent_yet_may_be_cancelled() -> None:
    exchange = Conversation(headers=[("x-request-id", NAME)]).exchange()
    live = LiveRequests()
    with live.entered(exchange, Record(exchange=exchange, observer=Seen())) as entry:
        assert (live.cancel(NAME), entry.outer.cancel_called) == (True, True)


async def test_a_secret_among_the_words_of_a_client_is_shown_nowhere_and_its_request_ends_by_its_real_id() -> None:
    secret = "live-0123456789abcdef"
    words = {"x-request-id": secret, "user-agent": f"{secret}/1.0"}
    exchange = Conversation(headers=[*words.items()]).exchange()
    tag = AgentTag(session=f"of-{secret}", klass="main", agent=secret)
    record = Record(exchange=exchange, observer=Seen(), agent=tag, model="m" * (MAX_WORD_CHARS - 5) + secret)
    live = LiveRequests(redact=Redactor.of([Secret(secret)]).redact)
    with live.entered(exchange, record) as entry:
        (shown,) = live.shown()
        assert (shown.id, shown.client, shown.session, shown.agent) == ("***", "", "of-***", "***")
        assert shown.asked_model == "m" * (MAX_WORD_CHARS - 5) + "***"
        assert not shown.can_cancel
        with pytest.raises(NotFound):
            live.cancel("***")
        assert (live.cancel(secret), entry.outer.cancel_called) == (True, True)
        with pytest.raises(NotFound, match=r"no request \*\*\*1 is"):
            live.cancel(f"{secret}1")
