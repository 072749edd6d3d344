"""Every client dialect over every kind of upstream, streamed and whole: what is lost on the way is what the guide says.

The table of losses is read out of docs/dialects.md, so that it cannot say more or less than what happens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import trio
from attrs import define, evolve, field, frozen

from router.config.schema import Secrets
from router.domain.request import DialectName
from router.ingress.generation import Generation
from router.providers.adapter import build_provider
from router.providers.transport import HttpRequest
from router.wire.registry import DIALECTS
from tests.builders import ScriptedProvider
from tests.replay.speech.common import PNG, Answer, Ask, Call, Heard, schema_of, text_json
from tests.replay.speech.every import SPEAKERS
from tests.replay.test_requests import MemoryAnswer, NoServers
from tests.router.ingress.rig import Rig, check_grammar

GUIDE = Path(__file__).parents[2] / "docs" / "dialects.md"
READ, LIST = (Call(name=name, arguments={"path": f"/{name}"}, result=f"what {name} said") for name in ("read_file", "list_dir"))
SYSTEM = "Be brief."


@frozen(kw_only=True)
class Case:
    """One conversation and its answer."""

    asked: Ask
    said: Answer


CASES: Mapping[str, Case] = {
    "text": Case(asked=Ask(system=SYSTEM, text="What is it?"), said=Answer(text="It is a router.")),
    "tools": Case(
        asked=Ask(
            system=SYSTEM, text="Read.", tools=("read_file",), before=Answer(text="I look.", calls=(READ,)), then="And again."
        ),
        said=Answer(calls=(READ,)),
    ),
    "parallel tools": Case(
        asked=Ask(text="Read both.", tools=("read_file", "list_dir"), before=Answer(calls=(READ, LIST))),
        said=Answer(text="Both again.", calls=(LIST, READ)),
    ),
    "images": Case(asked=Ask(text="What is on it?", image=PNG), said=Answer(text="A cat.")),
    "thinking": Case(
        asked=Ask(text="Why?", thinks=True, before=Answer(thinking="Because of that.", text="Hence."), then="And now?"),
        said=Answer(thinking="Let me see.", text="Now this."),
    ),
}
BUILT = [dialect for dialect in SPEAKERS if dialect in DIALECTS]
CELLS = list(product(BUILT, BUILT, (True, False), CASES))


@define
class Upstream:
    """An HTTP client that keeps what is sent and answers with one body."""

    body: bytes
    media_type: str
    sent: list[HttpRequest] = field(factory=list)

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> Any:  # noqa: ANN401 - a context manager's generator
        await trio.lowlevel.checkpoint()
        self.sent.append(request)
        yield MemoryAnswer(self.body, headers=(("content-type", self.media_type),))

    async def reach(self, url: str, *, connect_s: float) -> None:
        raise AssertionError(f"a request asks for no readiness: {url}, {connect_s} s")

    async def close_expired(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@define(kw_only=True)
class MatrixRig(Rig):
    """The whole handler with the real adapter over `upstream`."""

    upstream: Upstream

    def generation(self) -> Generation:
        generation = super().generation()
        config = generation.config.providers[0]
        provider = evolve(build_provider(config, Secrets(), NoServers(), self.observer), client=self.upstream)
        return evolve(generation, upstreams=evolve(generation.upstreams, providers={config.name: provider}))


@frozen(kw_only=True)
class Passed:
    """One cell: what the upstream understood, what the client heard, and what its headers say was left out."""

    understood: tuple[tuple[str, ...], ...]
    heard: Heard
    degraded: str


async def passed(client: DialectName, upstream: DialectName, case: Case, *, stream: bool) -> Passed:
    """Let a client ask an upstream through the router."""
    speaks, answers = SPEAKERS[client], SPEAKERS[upstream]
    ndjson = upstream is DialectName.OLLAMA
    media_type = ("application/x-ndjson" if ndjson else "text/event-stream") if stream else "application/json"
    memory = Upstream(answers.answer(case.said, stream=stream), media_type)
    shown = "pass" if DialectName.OPENAI_CHAT is client else "convert"
    keys = {"reasoning": shown, **({} if upstream is DialectName.ANTHROPIC else {"reasoning_effort": True})}
    rig = MatrixRig(
        providers=[ScriptedProvider(name="a", dialect=upstream)],
        keys={"a": {**keys, "tool_repair": "off", "model": "up"}},
        upstream=memory,
    )
    path, body = speaks.ask(case.asked, stream=stream)
    talk = await rig.send(client, orjson.dumps(body), path=path)
    assert talk.status == 200, talk.body
    if stream:
        check_grammar(client, talk.body)
    (request,) = memory.sent
    address = urlsplit(request.url)
    understood = answers.understood(orjson.loads(request.content), address.path)
    degraded = dict(talk.headers).get("x-router-degraded", "")
    return Passed(understood=understood, heard=speaks.heard(talk.body, stream=stream), degraded=degraded)


def meant(asked: Ask) -> Iterator[tuple[str, ...]]:
    """Yield what a client says, in the words of `Speaker.understood`."""
    if asked.system:
        yield ("system", asked.system)
    yield ("user", asked.text)
    if asked.image:
        yield ("image", asked.image)
    if (before := asked.before) is not None:
        if before.thinking:
            yield ("thinking", before.thinking)
        if before.text:
            yield ("assistant", before.text)
        for call in before.calls:
            yield ("call", call.name, text_json(call.arguments))
        for call in before.calls:
            yield ("result", call.name, call.result)
    if asked.then:
        yield ("user", asked.then)
    for name in asked.tools:
        yield ("tool", name, text_json(schema_of(name)))
    if asked.thinks:
        yield ("thinks",)


def lost(case: Case, cell: Passed) -> set[str]:
    """Return what did not arrive, in the words of the guide. Fails for what arrived otherwise than it was said."""
    said = list(meant(case.asked))
    missing = [one for one in said if one not in cell.understood]
    assert _in_order(cell.understood, said) == _in_order(said, cell.understood), cell.understood
    assert sorted(cell.understood) == sorted(one for one in said if one in cell.understood)  # nothing else, and nothing twice
    losses = {WORDS[one[0]] for one in missing}
    expected = Heard(
        text=case.said.text,
        thinking=case.said.thinking,
        calls=tuple((call.name, text_json(call.arguments)) for call in case.said.calls),
        stop="calls" if case.said.calls else "end",
        signatures=cell.heard.signatures,
    )
    if cell.heard.thinking != case.said.thinking:
        assert cell.heard.thinking == ""
        losses.add("reasoning of the answer")
        expected = evolve(expected, thinking="")
    assert cell.heard == expected
    return losses


def _in_order(told: Sequence[tuple[str, ...]], wanted: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return what is told of these; images have no place of their own in a message of Ollama's."""
    return [one for one in told if one in wanted and one[0] != "image"]


HEADER = "thinking"  # the one kind of loss in the table
WORDS = {"thinking": "reasoning of earlier turns", "image": "image", "thinks": "the wish for reasoning"}
NAMES = {
    "Messages": DialectName.ANTHROPIC,
    "chat": DialectName.OPENAI_CHAT,
    "Responses": DialectName.OPENAI_RESPONSES,
    "Gemini": DialectName.GEMINI,
    "Ollama": DialectName.OLLAMA,
}


def documented() -> dict[tuple[DialectName, DialectName], dict[str, set[str]]]:
    """Return the guide's table: {(client, upstream): {case: losses}}."""
    text = GUIDE.read_text(encoding="utf-8").partition("<!-- losses -->")[2].partition("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line.startswith("| ")]
    cases = rows[0][2:]
    table: dict[tuple[DialectName, DialectName], dict[str, set[str]]] = {}
    for client, upstream, *cells in rows[1:]:
        told = {case: _losses(cell) for case, cell in zip(cases, cells, strict=True)}
        table[NAMES[client], NAMES[upstream]] = told
    return table


def _losses(cell: str) -> set[str]:
    return set() if cell == "all" else {loss.strip() for loss in cell.removeprefix("without ").split(";")}


@pytest.mark.parametrize(
    ("client", "upstream", "stream", "case"),
    CELLS,
    ids=[f"{c} over {u} {'streamed' if s else 'whole'}: {case}" for c, u, s, case in CELLS],
)
async def test_what_is_lost_is_what_the_guide_says(
    client: DialectName, upstream: DialectName, *, stream: bool, case: str, autojump_clock: object
) -> None:
    del autojump_clock

    cell = await passed(client, upstream, CASES[case], stream=stream)

    assert lost(CASES[case], cell) == documented()[client, upstream][case]
    assert cell.degraded == (HEADER if lost(CASES[case], cell) else "")


def test_the_guide_tells_every_cell() -> None:
    table = documented()

    assert table.keys() == set(product(SPEAKERS, SPEAKERS))
    assert all(told.keys() == CASES.keys() for told in table.values())


def counted() -> Sequence[str]:
    """Return what the matrix holds, for the figures of a run."""
    return [f"{len(SPEAKERS)} clients x {len(SPEAKERS)} upstreams x 2 x {len(CASES)} cases = {len(CELLS)} cells"]
