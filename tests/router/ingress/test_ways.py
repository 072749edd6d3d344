"""The ways themselves: what is said in one is heard in the other, before any guard stands between."""

from __future__ import annotations

from tests.router.ingress.rig import Rig
from tests.router.ingress.ways import Heard, Way, every_way, heard, sent, tool


@every_way
async def test_text_and_calls_come_through_as_they_were_said(way: Way) -> None:
    call = ("Read", {"path": "a"})
    rig = Rig(providers=[way.provider(way.script("Let me ", "look.", calls=[call]))])

    talk = await rig.ask(way.client, stream=way.is_stream, tools=[tool(way.client, "Read", path={"type": "string"})])

    assert heard(way, talk) == Heard(text="Let me look.", calls=(call,), stop="calls")
    assert sent(rig)["model"] == "model-of-a"
    assert bool(sent(rig).get("stream")) is way.is_stream
