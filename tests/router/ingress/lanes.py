"""The clients that speak neither Messages nor chat, over upstreams of their own dialect, of chat and of Messages.

What they say and hear is written by `tests/replay/speech`, which knows nothing of the wire rooms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import orjson
import pytest
from attrs import frozen

from router.domain.request import DialectName
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, Step
from tests.replay.speech.common import Answer, Ask, Call, Heard
from tests.replay.speech.every import SPEAKERS
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import Rig, check_grammar
from tests.router.ingress.ways import sent

RESPONSES, GEMINI, OLLAMA = DialectName.OPENAI_RESPONSES, DialectName.GEMINI, DialectName.OLLAMA
CONVERSATION = {RESPONSES: "input", GEMINI: "contents", OLLAMA: "messages"}
_ENDS = {
    RESPONSES: b"response.completed",
    GEMINI: b'"finishReason"',
    OLLAMA: b'"done":true',
    CHAT: b'"finish_reason":"',
    ANTHROPIC: b"message_delta",
}
HELLO = Answer(text="hello")
HEARD_HELLO = Heard(text="hello", stop="end")
Understood = tuple[tuple[str, ...], ...]


@frozen
class Lane:
    """One client over one upstream, streamed or whole."""

    client: DialectName
    upstream: DialectName
    is_stream: bool

    def __str__(self) -> str:
        return f"{self.client.value} over {self.upstream.value} {'streamed' if self.is_stream else 'whole'}"

    def script(self, said: Answer = HELLO) -> Script:
        """Return an answer of the upstream."""
        return Script(chunks=[SPEAKERS[self.upstream].answer(said, stream=self.is_stream)], is_event_stream=self.is_stream)

    def begun(self, said: Answer, *, is_in_text: bool = False) -> list[Step]:
        """Return a stream without its end; `is_in_text` leaves out the end of the text, too."""
        whole = SPEAKERS[self.upstream].answer(said, stream=True)
        mark = b"\n" if self.upstream is OLLAMA else b"\n\n"
        frames = [frame + mark for frame in whole.split(mark) if frame]
        if is_in_text:
            rest = said.text[len(said.text) // 2 :].encode()
            return [*frames[: 1 + next(at for at, frame in enumerate(frames) if rest in frame)]]
        return [*frames[: next(at for at, frame in enumerate(frames) if _ENDS[self.upstream] in frame)]]

    def provider(self, *scripts: Script, name: str = "a") -> ScriptedProvider:
        """Return a provider of the upstream's dialect that plays these, else one that says hello."""
        return ScriptedProvider(name=name, dialect=self.upstream, scripts=scripts or (self.script(),))

    def question(self, asked: Ask, calls: Sequence[Call] = ()) -> tuple[str, dict[str, Any]]:
        """Return path and body of a request; the calls, with what became of each, are made one after the other."""
        path, body = SPEAKERS[self.client].ask(asked, stream=self.is_stream)
        body[CONVERSATION[self.client]] += self._rounds(calls)
        return path, body

    def _rounds(self, calls: Sequence[Call]) -> Iterator[dict[str, Any]]:
        for number, call in enumerate(calls):
            _, body = SPEAKERS[self.client].ask(Ask(text="-", before=Answer(calls=(call,))), stream=False)
            items = orjson.dumps(body[CONVERSATION[self.client]][1:])
            yield from orjson.loads(items.replace(b'"call_responses0"', b'"call_responses%d"' % number))

    async def ask(
        self, rig: Rig, asked: Ask, calls: Sequence[Call] = (), *, headers: Sequence[tuple[str, str]] = ()
    ) -> Conversation:
        """Return the whole conversation of one request."""
        path, body = self.question(asked, calls)
        return await rig.send(self.client, orjson.dumps(body), path=path, headers=headers)

    def heard(self, talk: Conversation) -> Heard:
        """Return what the client heard of an answer; a stream must keep its grammar."""
        assert talk.status == 200, talk.body
        if self.is_stream:
            check_grammar(self.client, talk.body)
        return SPEAKERS[self.client].heard(talk.body, stream=self.is_stream)

    def understood(self, rig: Rig, name: str = "a") -> Understood:
        """Return what a provider made of the last request that it was really sent."""
        return SPEAKERS[self.upstream].understood(sent(rig, name), "")


LANES = [
    Lane(client, upstream, is_stream)
    for client in (RESPONSES, GEMINI, OLLAMA)
    for upstream, is_stream in product((client, CHAT, ANTHROPIC), (True, False))
]
every_lane = pytest.mark.parametrize("lane", LANES, ids=str)
streamed = pytest.mark.parametrize("lane", [lane for lane in LANES if lane.is_stream], ids=str)
over_chat = pytest.mark.parametrize("lane", [lane for lane in LANES if lane.upstream is CHAT], ids=str)


def refusal(lane: Lane, talk: Conversation) -> tuple[str, str]:
    """Return code and message of an error that is the answer; everything that the client's vendor says besides is checked."""
    assert talk.headers["content-type"] == "application/json"
    error = orjson.loads(talk.body)["error"]
    match lane.client:
        case DialectName.OPENAI_RESPONSES:
            assert error["param"] == ("input" if error["code"] == "context_length_exceeded" else None)
            return error["code"], error["message"]
        case DialectName.GEMINI:
            assert error["code"] == talk.status
            return error["status"], error["message"]
        case _:
            assert isinstance(error, str)
            return "", error
