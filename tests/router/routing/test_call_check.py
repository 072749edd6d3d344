"""Tool calls that are no JSON are counted; an end that sends a client off to run nothing is a failure."""

from __future__ import annotations

import pytest

from router.domain.events import NeutralEvent, Stopped, StopReason, TextDelta, ToolDelta, ToolDone, ToolStarted
from router.errors import FailureReason, ProviderFailed
from router.routing.call_check import count_calls


def answer(*arguments: str, reason: StopReason = StopReason.TOOL_USE) -> list[NeutralEvent]:
    """Return an answer with a call for each text of arguments, each in pieces of three characters."""
    events: list[NeutralEvent] = [TextDelta("so")]
    for slot, text in enumerate(arguments):
        events.append(ToolStarted(slot=slot, id="c", name="f"))
        events += [ToolDelta(slot, text[at : at + 3]) for at in range(0, len(text), 3)]
        events.append(ToolDone(slot))
    return [*events, Stopped(reason=reason)]


@pytest.mark.parametrize(
    ("arguments", "invalid"),
    [
        (["{}"], 0),
        (['{"a": [1, "}"]}', '{"b": 2}'], 0),
        (['{"text": "\\ud83d"}'], 0),  # half a surrogate pair: JSON to every client
        (["{'a': 1}"], 1),
        (['{"a": 1,}', '{"b": 2}'], 1),
        (["null"], 1),
        (["[1]"], 1),
        (['"{}"'], 1),
        (['{"a": ', '{"b": 2}'], 1),
    ],
)
def test_calls_that_are_no_json_object_are_counted_and_pass(arguments: list[str], invalid: int) -> None:
    assert count_calls(answer(*arguments), "p") == (invalid, len(arguments))


@pytest.mark.parametrize("arguments", [['{"a": '], ["{"], ['{"a": "', "["], ["nul"]])
def test_an_end_for_tools_without_one_whole_call_is_the_providers_failure(arguments: list[str]) -> None:
    with pytest.raises(ProviderFailed) as caught:
        count_calls(answer(*arguments), "p")

    assert (caught.value.provider, caught.value.reason) == ("p", FailureReason.BAD_RESPONSE)


@pytest.mark.parametrize("reason", [StopReason.LENGTH, StopReason.CONTENT_FILTER])
def test_a_call_that_a_limit_cut_is_told_by_its_stop_reason(reason: StopReason) -> None:
    assert count_calls(answer('{"a": ', reason=reason), "p") == (1, 1)
