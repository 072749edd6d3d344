"""A conversation that is trimmed for a provider of the client's own dialect is written anew: the answer is still the client's."""

from __future__ import annotations

import orjson
import pytest

from router.domain.request import DialectName
from tests.builders import ScriptedProvider, a_profile
from tests.replay.speech.common import Answer, Ask, Call
from tests.replay.speech.every import SPEAKERS
from tests.replay.test_matrix import MatrixRig, Upstream
from tests.router.ingress.rig import check_grammar

CONVERSATION = {DialectName.OPENAI_RESPONSES: "input", DialectName.GEMINI: "contents", DialectName.OLLAMA: "messages"}
ODD = "mcp.files:read/" + "deep/" * 12  # longer than any upstream takes, and with characters that some refuse
LONG = Ask(text="Read on. " * 300, before=Answer(text="I have read. " * 300), then="Now read.", tools=(ODD,))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", CONVERSATION, ids=str)
async def test_the_calls_of_its_answer_have_the_clients_names(dialect: DialectName, stream: bool) -> None:  # noqa: FBT001 - a case
    speaker, key = SPEAKERS[dialect], CONVERSATION[dialect]
    path, body = speaker.ask(LONG, stream=stream)
    *rounds, last = body[key]
    body[key] = [*rounds * 12, last]
    upstream = Upstream(b"", "")
    rig = MatrixRig(
        providers=[ScriptedProvider(name="a", dialect=dialect)],
        keys={"a": {"tool_repair": "off", "max_context_tokens": 8000}},
        profile=a_profile("a", context_budget_action="trim"),
        upstream=upstream,
    )
    generation = rig.generation()
    (sent,) = await _sent_names(rig, upstream, dialect, path, body)
    assert sent != ODD

    ndjson = dialect is DialectName.OLLAMA
    upstream.media_type = ("application/x-ndjson" if ndjson else "text/event-stream") if stream else "application/json"
    upstream.body = speaker.answer(Answer(calls=(Call(name=sent, arguments={"path": "/"}),)), stream=stream)
    talk = await rig.send(dialect, orjson.dumps(body), path=path, generation=generation)

    assert talk.headers["x-router-context-budget"].startswith("trimmed")
    if stream:
        check_grammar(dialect, talk.body)
    assert [name for name, _ in speaker.heard(talk.body, stream=stream).calls] == [ODD]


async def _sent_names(rig: MatrixRig, upstream: Upstream, dialect: DialectName, path: str, body: object) -> list[str]:
    """Return the names under which an upstream is offered the client's tools."""
    await rig.send(dialect, orjson.dumps(body), path=path)
    document = orjson.loads(upstream.sent[0].content)
    return [word[1] for word in SPEAKERS[dialect].understood(document, upstream.sent[0].url) if word[0] == "tool"]
