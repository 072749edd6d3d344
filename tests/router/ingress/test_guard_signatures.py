"""Thinking that one vendor has signed is not sent to another, whichever way the answer with it went (R-37, R-73)."""

from __future__ import annotations

from typing import Any

import pytest

from router.errors import FailureReason, ProviderFailed
from tests.builders import ANTHROPIC, Script, a_profile
from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import WAYS, Way, heard, sent

DOWN = Script(refusal=ProviderFailed(provider="a", reason=FailureReason.CONNECTION, message="refused"))
THINKS: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}
TOOL = {"name": "Read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}
ways = pytest.mark.parametrize("way", [way for way in WAYS if way.client is way.upstream is ANTHROPIC], ids=str)
# what sends an answer the long way, through decoder and encoder, and what does not
passages = pytest.mark.parametrize(
    ("keys", "profile", "is_replayed"),
    [
        pytest.param({}, {}, False, id="relayed"),
        pytest.param({}, {}, True, id="whole, where a stream was asked for"),
        pytest.param({}, {"partial_stitch_action": "continue"}, False, id="kept for a break"),
        pytest.param({"tool_repair": "balanced"}, {}, False, id="repaired"),
        pytest.param({"output_filters": ["strip_stop_markers"]}, {}, False, id="filtered"),
    ],
)


def history(thinking: str) -> list[dict[str, Any]]:
    signed = {"type": "thinking", "thinking": thinking, "signature": f"sig-{thinking}"}
    said = {"role": "assistant", "content": [signed, {"type": "text", "text": "It is 42."}]}
    return [{"role": "user", "content": "hi"}, said, {"role": "user", "content": "Why?"}]


def kinds(body: dict[str, Any]) -> list[str]:
    """Return what the earlier answer consists of."""
    return [block["type"] for block in body["messages"][1]["content"]]


@ways
@passages
async def test_it_goes_back_to_who_has_signed_it_and_to_nobody_else(
    way: Way, keys: dict[str, object], profile: dict[str, Any], *, is_replayed: bool
) -> None:
    first = Way(ANTHROPIC, ANTHROPIC, is_stream=way.is_stream and not is_replayed).script("It is 42.", thinking="Hm.")
    rig = Rig(
        providers=[
            way.provider(first, way.script("x"), DOWN),
            way.provider(way.script("from b"), name="b"),
        ],
        keys={"a": {"base_url": "http://127.0.0.1:1", **keys}, "b": {"base_url": "http://127.0.0.1:2"}},
        profile=a_profile("a", "b", **profile),
    )
    body = {**THINKS, "tools": [TOOL]}
    answer = await rig.ask(ANTHROPIC, stream=way.is_stream, **body)

    talks = [await rig.ask(ANTHROPIC, stream=way.is_stream, **body, messages=history("Hm.")) for _ in range(2)]

    assert heard(way, answer).thinking == "Hm."
    assert [heard(way, talk).text for talk in talks] == ["x", "from b"]
    assert kinds(sent(rig, "a")) == ["thinking", "text"]
    assert kinds(sent(rig, "b")) == ["text"]


@ways
async def test_what_nobody_here_has_signed_passes(way: Way) -> None:
    rig = Rig(
        providers=[way.provider(way.script("x")), way.provider(way.script("y"), name="b")],
        keys={"a": {"base_url": "http://127.0.0.1:1"}, "b": {"base_url": "http://127.0.0.1:2"}},
    )

    await rig.ask(ANTHROPIC, stream=way.is_stream, **THINKS, messages=history("of yesterday"))

    assert kinds(sent(rig, "a")) == ["thinking", "text"]
