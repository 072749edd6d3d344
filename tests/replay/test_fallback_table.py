"""Fallback: every row of routing.md 11.2 through the whole handler and the real adapter, in all its cells.

Two providers of different kinds: the first does what the row says, the second is well. A cell is {whole, stream} x the
first one's kind x the client's dialect, so that native and translated answers, and errors from both sides, are all there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, groupby
from typing import Any

import orjson
import pytest
import trio
from attrs import define, evolve, field, frozen
from trio.testing import MockClock

from router.config.schema import Secrets
from router.domain.health import CooldownReason
from router.domain.request import DialectName
from router.errors import ErrorKind, FailureReason
from router.ingress.generation import Generation
from router.providers.adapter import HttpProvider, build_provider
from supervisors.health_board import HealthBoard
from supervisors.health_policy import health_policies
from tests.builders import ANTHROPIC, CHAT, PLAIN, ScriptedProvider, a_profile
from tests.replay.fallback_answers import ANSWERS
from tests.replay.fallback_forms import OTHER, Side
from tests.replay.fallback_refusals import BEYOND, STATUSES, UNANSWERED
from tests.replay.fallback_row import End, Row
from tests.router.ingress.memory import Conversation
from tests.router.ingress.rig import KINDS, Rig, check_grammar, data_of
from tests.router.providers.fake_http import FakeClient, Told
from tests.router.providers.rig import NOW, Leases

TABLE: Mapping[str, tuple[Row, ...]] = {**UNANSWERED, **STATUSES, **ANSWERS, **BEYOND}
CLIENTS = {ANTHROPIC: "messages", CHAT: "chat"}

# Reasons that no row has, and where they are tested.
ELSEWHERE = {
    FailureReason.BUSY: "no answer of an upstream: its slots are in use (tests/router/providers/test_adapter.py)",
    FailureReason.BUDGET: "no answer of an upstream: a cap was reached at the last moment (tests/supervisors/test_ledger.py)",
    FailureReason.SLOW_THROUGHPUT: "a setting calls it too slow (tests/router/routing/test_throughput.py)",
    FailureReason.CANCELLED: "no failure of an upstream: the client has left (tests/router/ingress/test_chat.py)",
}
# Reasons after which the same request would fail there again.
PERMANENT = {
    FailureReason.AUTH,
    FailureReason.PAYMENT_REQUIRED,
    FailureReason.MODEL_MISSING,
    FailureReason.MODEL_LOAD_FAILED,
    FailureReason.TOO_LARGE,
    FailureReason.CONTEXT_OVERFLOW,
    FailureReason.UNSUPPORTED_PARAMETER,
    FailureReason.REDIRECT,
    FailureReason.CLIENT_ERROR,
    FailureReason.LOOP_DETECTED,
}
# How an error is called: the type in a Messages envelope, type and code in a chat envelope (wire.md 17.2).
ENVELOPES = {
    ErrorKind.UPSTREAM_CLIENT: ("invalid_request_error", "invalid_request_error", None),
    ErrorKind.TOO_LARGE: ("request_too_large", "invalid_request_error", "request_too_large"),
    ErrorKind.UNSUPPORTED_MEDIA_TYPE: ("invalid_request_error", "invalid_request_error", "unsupported_media_type"),
    ErrorKind.CONTEXT_OVERFLOW: ("invalid_request_error", "invalid_request_error", "context_length_exceeded"),
    ErrorKind.RATE_LIMITED: ("rate_limit_error", "rate_limit_error", "rate_limit_exceeded"),
    ErrorKind.ALL_FAILED: ("api_error", "server_error", "no_providers_available"),
    ErrorKind.ALL_EXCLUDED: ("overloaded_error", "server_error", "no_providers_available"),
    ErrorKind.ALL_OVERLOADED: ("overloaded_error", "server_error", "server_is_overloaded"),
    ErrorKind.TIMEOUT: ("timeout_error", "server_error", "timeout"),
}
OF_ITS_OWN = {413: ErrorKind.TOO_LARGE, 415: ErrorKind.UNSUPPORTED_MEDIA_TYPE}
TOLD_BESIDE = ("capability-degraded", "empty-response-detected")


@frozen
class Cell:
    """One row for one combination; `kind` is the first provider's."""

    condition: str
    row: Row
    is_stream: bool
    kind: DialectName
    client: DialectName

    def __str__(self) -> str:
        return "-".join((self.condition, self.row.name, *self.words))

    @property
    def words(self) -> tuple[str, ...]:
        """What an excuse calls the cell by."""
        return "stream" if self.is_stream else "whole", KINDS[self.kind], CLIENTS[self.client]

    @property
    def excuse(self) -> str | None:
        """Why the cell cannot be, None for one that can."""
        return next((why for part, why in self.row.not_for.items() if set(part.split()) <= set(self.words)), None)

    @property
    def is_late_stream(self) -> bool:
        """Whether the head goes out before it is known who answers."""
        return self.row.is_late and self.is_stream


EVERY = [
    Cell(condition, row, is_stream, kind, client)
    for condition, rows in TABLE.items()
    for row in rows
    for is_stream in (False, True)
    for kind in PLAIN
    for client in PLAIN
]
CELLS = [cell for cell in EVERY if cell.excuse is None]


@define(kw_only=True)
class FallbackRig(Rig):
    """The handler over two real adapters with clients in memory, and the real board of cool-downs."""

    clients: Mapping[str, FakeClient]
    board: HealthBoard = field(init=False)
    adapters: dict[str, HttpProvider] = field(factory=dict)

    @classmethod
    def of(cls, cell: Cell) -> FallbackRig:
        """Return the rig of a cell."""
        row, kinds = cell.row, {"a": cell.kind, "b": OTHER[cell.kind]}
        scripts = {"a": row.forms, "b": (row.second,)}
        return cls(
            providers=[ScriptedProvider(name=name, dialect=kind) for name, kind in kinds.items()],
            keys=row.keys,
            profile=a_profile("a", "b", **row.profile),
            tables=row.tables,
            clients={
                name: FakeClient([form(Side(name, kind, cell.is_stream)) for form in scripts[name]], name)
                for name, kind in kinds.items()
            },
        )

    def generation(self) -> Generation:
        """Return the generation; adapters and board stay the same from request to request, as in the daemon."""
        generation = super().generation()
        if not self.adapters:
            self.board = HealthBoard(observer=self.observer)
            policies = health_policies(generation.config)
            for config in generation.config.providers:
                built = build_provider(config, Secrets(), Leases(), self.observer)
                self.adapters[config.name] = evolve(built, client=self.clients[config.name], unix_now=lambda: NOW)
                self.board.add(config.name, policies[config.name])
        upstreams = evolve(generation.upstreams, providers=self.adapters, sink=self.board)
        return evolve(generation, upstreams=upstreams, health=self.board)

    async def put(self, cell: Cell) -> Conversation:
        """Return the conversation over the cell's request."""
        return await self.ask(cell.client, headers=cell.row.headers, stream=cell.is_stream, **cell.row.ask)

    def rest(self) -> tuple[CooldownReason, float] | None:
        """Return why the first provider is left alone, and for how many seconds from now."""
        cooldown = self.board.status_of("a").cooldown
        return None if cooldown is None else (cooldown.reason, round(cooldown.until - trio.current_time(), 6))

    @property
    def calls(self) -> tuple[int, int]:
        """How often each upstream was called."""
        return len(self.clients["a"].requests), len(self.clients["b"].requests)


@pytest.mark.parametrize("cell", CELLS, ids=str)
async def test_a_failure_leads_where_its_row_says(cell: Cell, autojump_clock: MockClock) -> None:
    del autojump_clock
    rig = FallbackRig.of(cell)

    talk = await rig.put(cell)

    if cell.row.end in (End.NEXT, End.FIRST):
        assert_answered(cell, talk)
    else:
        assert_refused(cell, talk)
    assert_told(cell, talk, rig)
    assert rig.calls == cell.row.calls
    assert rig.rest() == cell.row.rests
    assert [client.open_now for client in rig.clients.values()] == [0, 0]
    assert talk.is_complete


def assert_answered(cell: Cell, talk: Conversation) -> None:
    """Check that the client has a whole answer in its dialect, and knows from whom."""
    assert talk.status == 200
    assert text_of(cell, talk) == ("second" if cell.row.end is End.NEXT else cell.row.text)
    if not cell.is_late_stream:
        assert talk.headers["x-router-provider"] == ("b" if cell.row.end is End.NEXT else "a")


def assert_refused(cell: Cell, talk: Conversation) -> None:
    """Check that the client has one error in the envelope of its dialect; each byte of a refusal in its own dialect."""
    row, client = cell.row, cell.client
    told = row.forms[-1](Side("a", cell.kind, cell.is_stream))
    assert isinstance(told, Told)
    upstream = b"".join(part for part in told.parts if isinstance(part, bytes))
    status = 503 if (row.client, client) == (529, CHAT) else row.client
    assert talk.status == (200 if cell.is_late_stream else status)
    assert b"elsewhere" not in talk.body
    if not cell.is_late_stream:
        assert talk.headers["x-should-retry"] == ("true" if should_retry(row) else "false")
        assert talk.headers["x-router-provider"] == "a"
        if row.end is End.HANDED and client is cell.kind and upstream:
            assert talk.body == upstream
            return
    error = error_of(cell, talk)
    words = f"[a] {row.says}" if row.end is End.HANDED else row.tells
    assert words in error["message"]
    anthropic, chat, code = ENVELOPES[OF_ITS_OWN.get(row.client, row.kind)]
    assert error["type"] == (anthropic if client is ANTHROPIC else chat)
    assert error.get("code") == (None if client is ANTHROPIC else code)


def assert_told(cell: Cell, talk: Conversation, rig: FallbackRig) -> None:
    """Check that headers and log tell the way: who failed, why, and what came of it."""
    row, way = cell.row, chain_of(cell.row)
    (line,) = rig.observer.named("request-complete")
    assert line["chain"] == list(way)
    assert line["outcome"] == ("ok" if row.end in (End.NEXT, End.FIRST) else row.kind)
    assert line["status"] == talk.status
    reasons = ",".join(step.partition(":")[2] for step in way[:-1])
    if not cell.is_late_stream:
        assert talk.headers["x-router-attempts"] == str(len(way))
        told = [talk.headers.get(f"x-router-fallback-{name}") for name in ("from", "reason", "chain", "to")]
        names = ">".join(step.partition(":")[0] for step in way)
        assert told == (["a", reasons, names, names[-1]] if len(way) > 1 else [None] * 4)
    failures = [fields for fields in rig.observer.named("provider-failed") if fields["provider"] == "a"]
    assert [fields["reason"] for fields in failures] == ([] if row.reason is None else [row.reason])
    for fields in failures:
        assert fields["retryable"] is (row.reason not in PERMANENT)
        assert row.says in str(fields["error"])
        assert row.status in (None, fields["status"])
    assert [name for name in TOLD_BESIDE if rig.observer.named(name)] == ([row.event] if row.event else [])


def chain_of(row: Row) -> tuple[str, ...]:
    """Return the attempts as the log has them."""
    if row.chain:
        return row.chain
    if row.end is End.FIRST:
        return ("a:ok",)
    return (f"a:{row.reason}", "b:ok") if row.end is End.NEXT else (f"a:{row.reason}",)


def should_retry(row: Row) -> bool:
    return row.client in (429, 503, 504, 529) or (row.client == 502 and row.reason not in PERMANENT)


def text_of(cell: Cell, talk: Conversation) -> str:
    """Return the text of an answer; a stream has to be of its dialect."""
    if not cell.is_stream:
        reply = orjson.loads(talk.body)
        if cell.client is ANTHROPIC:
            return "".join(block.get("text", "") for block in reply["content"])
        return reply["choices"][0]["message"]["content"] or ""
    check_grammar(cell.client, talk.body)
    documents = [document for document in data_of(talk.body) if document != "[DONE]"]
    if cell.client is ANTHROPIC:
        return "".join(document.get("delta", {}).get("text", "") for document in documents)
    return "".join(choice["delta"].get("content") or "" for document in documents for choice in document["choices"])


def error_of(cell: Cell, talk: Conversation) -> dict[str, Any]:
    """Return the error of an answer; its envelope, or its stream, has to be of the client's dialect."""
    if cell.is_late_stream:
        check_grammar(cell.client, talk.body)
        (document,) = [document for document in data_of(talk.body) if document != "[DONE]"]
    else:
        assert talk.headers["content-type"] == "application/json"
        document = orjson.loads(talk.body)
        assert set(document) == ({"type", "error", "request_id"} if cell.client is ANTHROPIC else {"error"})
    assert document.get("type") == ("error" if cell.client is ANTHROPIC else None)
    error: dict[str, Any] = document["error"]
    return error


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.row.sees], ids=str)
async def test_what_was_refused_by_name_is_remembered_and_thinking_is_not(cell: Cell) -> None:
    rig = FallbackRig.of(cell)

    await rig.put(cell)
    await rig.put(cell)

    assert cell.row.sees is not None
    assert tuple(cell.row.sees(request) for request in rig.clients["a"].requests) == cell.row.seen


RESTING = [next(cells) for _, cells in groupby((c for c in CELLS if c.row.rests and c.row.rests[1]), key=lambda cell: cell.row)]


@pytest.mark.parametrize("cell", RESTING, ids=str)
async def test_a_provider_is_left_alone_until_its_rest_is_over(cell: Cell, autojump_clock: MockClock) -> None:
    del autojump_clock
    assert cell.row.rests is not None
    rig = FallbackRig.of(cell)
    await rig.put(cell)
    asked = rig.calls[0]

    await rig.put(cell)
    asked_again = rig.calls[0]
    await trio.sleep(cell.row.rests[1])
    await rig.put(cell)

    assert (asked_again, rig.calls[0]) == (asked, asked + 1)


def test_only_what_streams_alone_can_do_leaves_cells_empty() -> None:
    filled = {(cell.condition, cell.words) for cell in CELLS}

    assert {(cell.condition, cell.excuse) for cell in EVERY if (cell.condition, cell.words) not in filled} == {
        ("zero events, clean end", "events answer a call for a stream only"),
        ("zero events, clean end", "there it is a body that is not JSON"),
        ("truncation before content (11.4)", "events answer a call for a stream only"),
    }


def test_every_excuse_names_cells_and_says_why() -> None:
    words = set(chain.from_iterable(cell.words for cell in EVERY))
    excuses = [excuse for rows in TABLE.values() for row in rows for excuse in row.not_for.items()]

    assert [part for part, why in excuses if not (why and set(part.split()) <= words)] == []


def test_every_reason_has_its_row() -> None:
    assert {row.reason for rows in TABLE.values() for row in rows} - {None} == set(FailureReason) - set(ELSEWHERE)
