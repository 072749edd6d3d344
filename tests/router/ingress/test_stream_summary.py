"""The summary at the end of a stream, over all dialects: where it stands, that its reader trips over none, what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import Any

import orjson
import pytest
from attrs import define
from trio.testing import MockClock

from router.config.schema import ServerConfig
from router.domain.events import Usage
from router.domain.health import CooldownReason
from router.domain.request import DialectName
from router.domain.spend import Cost
from router.errors import FailureReason, ProviderFailed
from router.ingress.stream_summary import wants_summary
from tests.builders import Script, ScriptedProvider, a_profile
from tests.replay.speech.common import Answer, Ask
from tests.replay.speech.every import SPEAKERS
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, check_grammar

GEMINI, OLLAMA = DialectName.GEMINI, DialectName.OLLAMA
COMMENTED = (DialectName.ANTHROPIC, DialectName.OPENAI_CHAT, DialectName.OPENAI_RESPONSES)
WANTED = [("x-router-summary", "1")]
PAIRS = pytest.mark.parametrize(("client", "upstream"), list(product((*COMMENTED, OLLAMA), (*COMMENTED, GEMINI, OLLAMA))))
CLIENTS = pytest.mark.parametrize("client", [*COMMENTED, OLLAMA])


@define
class Books:
    """A spending at so much for each token of an answer; counts what was booked."""

    booked: int = 0
    usd_per_token: float = 0.001

    def blocked(self, provider: str, profile: str) -> None:
        """Keep nobody back."""

    def snapshot(self) -> None:
        """Tell nothing."""

    @contextmanager
    def reserve(self, provider: str, profile: str, *, input_tokens: int, max_tokens: int | None) -> Iterator[Books]:
        del provider, profile, input_tokens, max_tokens
        yield self

    def settle(self, usage: Usage | None) -> Cost:
        self.booked += 1
        return Cost(total_usd=(usage.output if usage else 0) * self.usd_per_token)


def a_stream(dialect: DialectName, *, is_cut: bool = False) -> Script:
    whole = SPEAKERS[dialect].answer(Answer(text="hello there"), stream=True)
    mark = b"\n" if dialect is OLLAMA else b"\n\n"
    begun = whole.index(mark, whole.index(b"hello")) + len(mark)  # behind the first frame that says something
    return Script(chunks=[whole[:begun]] if is_cut else [whole[:begun], whole[begun:]])


def refusing(dialect: DialectName, name: str = "down") -> ScriptedProvider:
    failure = ProviderFailed(provider=name, reason=FailureReason.CONNECTION, message="refused")
    return ScriptedProvider(name=name, dialect=dialect, scripts=[Script(refusal=failure)])


async def ask(rig: Rig, client: DialectName, headers: list[tuple[str, str]] = WANTED) -> Conversation:
    path, body = SPEAKERS[client].ask(Ask(text="hi"), stream=True)
    return await rig.send(client, orjson.dumps(body), path=path, headers=headers)


def summary_of(client: DialectName, body: bytes) -> Mapping[str, Any]:
    """Return the summary, which must be the last that the stream says."""
    if client is OLLAMA:
        last = orjson.loads(body.splitlines()[-1])
        return dict(last["router_summary"])
    assert body.endswith(b"\n\n")
    comment = body.rstrip().rpartition(b"\n")[2]
    assert comment.startswith(b": x-router-summary ")
    return dict(orjson.loads(comment.removeprefix(b": x-router-summary ")))


@PAIRS
async def test_the_summary_is_the_last_of_a_stream_and_its_reader_hears_the_same(
    client: DialectName, upstream: DialectName
) -> None:
    def rig() -> Rig:
        return Rig(providers=[ScriptedProvider(name="a", dialect=upstream, scripts=[a_stream(upstream)])])

    plain, told = await ask(rig(), client, []), await ask(rig(), client)

    check_grammar(client, told.body)
    speaker = SPEAKERS[client]
    assert speaker.heard(told.body, stream=True) == speaker.heard(plain.body, stream=True)
    summary = summary_of(client, told.body)
    assert (summary["provider"], summary["outcome"], summary["chain"], summary["attempts"]) == ("a", "ok", ["a:ok"], 1)
    assert b"router" not in plain.body


@CLIENTS
async def test_it_says_what_the_log_says(client: DialectName) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=client, scripts=[a_stream(client)])])

    summary = summary_of(client, (await ask(rig, client)).body)

    (line,) = rig.observer.named("request-complete")
    shared = summary.keys() & line.keys() - {"total_ms"}
    assert {"request_id", "profile", "why", "provider", "chain", "outcome", "input_tokens", "output_tokens", "ttft_ms"} <= shared
    assert {key: summary[key] for key in shared} == {key: line[key] for key in shared}


@CLIENTS
async def test_it_names_who_was_not_asked_at_its_place_and_why(client: DialectName) -> None:
    good = ScriptedProvider(name="good", dialect=client, scripts=[a_stream(client)])
    rig = Rig(providers=[refusing(client), good], profile=a_profile("down", "good", sticky=True))
    headers = [*WANTED, ("x-router-session", "one")]

    before, after = [summary_of(client, (await ask(rig, client, headers)).body) for _ in range(2)]

    assert ("moved" in before, after["moved"]) == (False, ["good: sticky"])


@CLIENTS
async def test_it_names_whom_the_request_has_left_and_why(client: DialectName) -> None:
    rig = Rig(
        providers=[
            ScriptedProvider(name="rests", dialect=client),
            refusing(client),
            ScriptedProvider(name="good", dialect=client, scripts=[a_stream(client)]),
        ],
        resting={"rests": CooldownReason.RATE_LIMITED},
    )

    summary = summary_of(client, (await ask(rig, client)).body)

    assert summary["skipped"] == ["rests: rate-limited"]
    assert summary["chain"] == ["down:connection", "good:ok"]
    assert summary["fallback"] == [
        {"from": "rests", "reason": "rate-limited", "to": "down"},
        {"from": "down", "reason": "connection", "to": "good"},
    ]


@CLIENTS
async def test_the_cost_is_booked_once_and_told(client: DialectName) -> None:
    books = Books()
    rig = Rig(
        providers=[ScriptedProvider(name="a", dialect=client, scripts=[a_stream(client)])],
        spending=books,
    )

    summary = summary_of(client, (await ask(rig, client)).body)

    (line,) = rig.observer.named("request-complete")
    assert summary["cost_usd"] == line["cost_usd"] == summary["output_tokens"] * books.usd_per_token
    assert books.booked == 1


@CLIENTS
async def test_no_cost_is_told_of_a_provider_without_a_price(client: DialectName) -> None:
    rig = Rig(
        providers=[ScriptedProvider(name="a", dialect=client, scripts=[a_stream(client)])],
        spending=Books(usd_per_token=0.0),
    )

    summary = summary_of(client, (await ask(rig, client)).body)

    assert summary["output_tokens"]
    assert summary.keys().isdisjoint({"cost_usd", "cost_savings_usd"})


@CLIENTS
async def test_a_stream_that_breaks_has_one_behind_its_error(client: DialectName) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=client, scripts=[a_stream(client, is_cut=True)])])

    talk = await ask(rig, client)

    check_grammar(client, talk.body)
    summary = summary_of(client, talk.body)
    assert summary["outcome"] == "midstream"
    assert summary["chain"] == ["a:stream-truncated"]


@CLIENTS
async def test_an_error_behind_the_head_has_one_too(client: DialectName, autojump_clock: MockClock) -> None:
    del autojump_clock
    failure = ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="refused")
    slow = ScriptedProvider(name="a", dialect=client, scripts=[Script(open_after_s=12, refusal=failure)])

    talk = await ask(Rig(providers=[slow]), client)

    check_grammar(client, talk.body)
    assert "x-router-provider" not in talk.headers
    summary = summary_of(client, talk.body)
    assert (summary["outcome"], summary["chain"]) == ("all_failed", ["a:connection"])


@pytest.mark.parametrize("path", ["?alt=sse", ""])
async def test_a_stream_of_gemini_has_no_place_for_it(path: str) -> None:
    rig = Rig(providers=[ScriptedProvider(name="a", dialect=GEMINI, scripts=[a_stream(GEMINI)])])
    body = orjson.dumps({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]})
    where = f"/v1beta/models/m:streamGenerateContent{path}"

    talk = await rig.send(GEMINI, body, path=where, headers=WANTED)

    assert talk.status == 200
    assert b"router" not in talk.body
    assert talk.headers["x-router-provider"] == "a"


@CLIENTS
async def test_the_configuration_may_want_it_and_a_client_may_not(client: DialectName) -> None:
    def rig() -> Rig:
        provider = ScriptedProvider(name="a", dialect=client, scripts=[a_stream(client)])
        return Rig(providers=[provider], tables={"server": ServerConfig(stream_summary=True)})

    assert summary_of(client, (await ask(rig(), client, [])).body)["provider"] == "a"
    assert b"router" not in (await ask(rig(), client, [("x-router-summary", "0")])).body


@pytest.mark.parametrize(
    ("value", "is_default", "is_wanted"),
    [("1", False, True), ("0", True, False), ("", True, True), ("", False, False), ("yes", True, True), (" 1 ", False, True)],
)
def test_one_or_nought_in_the_header_comes_before_the_configuration(value: str, *, is_default: bool, is_wanted: bool) -> None:
    assert wants_summary({"x-router-summary": value}, is_default=is_default) is is_wanted
    assert wants_summary({}, is_default=is_default) is is_default
