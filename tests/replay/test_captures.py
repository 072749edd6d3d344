"""What coding agents really send, through every kind of upstream: nobody refuses it, and the tool's result arrives.

The upstreams are those of tests/clients, which are as strict as the vendors and share no code with the router."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import frozen

from router.domain.request import DialectName
from router.providers.adapter import DIALECT_OF_KIND
from tests.builders import ScriptedProvider
from tests.clients.upstream.script import Asked, Say
from tests.clients.upstream.server import SPEAKERS
from tests.replay.test_matrix import MatrixRig, Upstream
from tests.router.ingress.rig import check_grammar

CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"
CLIENTS = {
    "claude_code_tool_result": DialectName.ANTHROPIC,
    "codex_tool_result": DialectName.OPENAI_RESPONSES,
    "gemini_cli_tool_result": DialectName.GEMINI,
}
WORD = "the password of the day is swordfish"
CELLS = list(product(CLIENTS, DIALECT_OF_KIND))
ANSWER = Say(pieces=("I have ", "read it."))


@frozen(kw_only=True)
class Capture:
    """One request of a client."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: dict[str, Any]


def capture(name: str) -> Capture:
    (request,) = json.loads((CAPTURES / f"{name}.json").read_bytes())["requests"]
    kept = [(key.lower(), value) for key, value in request["headers"] if key.lower() not in ("host", "content-length")]
    return Capture(path=request["path"], headers=tuple(kept), body=request["body"])


def test_every_capture_meets_every_kind() -> None:
    assert len(CELLS) == len(list(CAPTURES.glob("*.json"))) * 5 == 15


@pytest.mark.parametrize(("client", "kind"), CELLS, ids=[f"{client} over {kind}" for client, kind in CELLS])
async def test_no_kind_of_upstream_refuses_what_a_client_sends(client: str, kind: str, autojump_clock: object) -> None:
    del autojump_clock
    speaker, sent = SPEAKERS[kind], capture(client)
    asks = Asked(model="up", stream=True)
    answer = b"".join(piece.data for piece in speaker.stream(ANSWER, asks))
    upstream = Upstream(answer, speaker.stream_type)
    dialect = DIALECT_OF_KIND[kind]
    rig = MatrixRig(providers=[ScriptedProvider(name="a", dialect=dialect)], keys={"a": {"model": "up"}}, upstream=upstream)

    talk = await rig.send(CLIENTS[client], orjson.dumps(sent.body), headers=sent.headers, path=sent.path)

    assert talk.status == 200, talk.body
    check_grammar(CLIENTS[client], talk.body)
    (request,) = upstream.sent
    read = speaker.read(orjson.loads(request.content), request.url.partition("//")[2].partition("/")[2])
    assert read.problem == ""
    assert any(WORD in result.text for result in read.results)
    assert len(read.results) == len(read.call_ids) == 1
    assert len(read.tools) > 5
