"""L4: the signals of drift, and what a window of them means (supervision.md 5, W22)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.config.schema_profile import DriftSensitivity
from router.domain.events import StopReason
from router.domain.messages import ChoiceMode, Message, Role, Text, Tool, ToolChoice, ToolResult
from router.guards.drift import PRESETS, DriftVerdict, Observation, Severity, Window, judge, observe, tools_expected
from tests.router.guards.conversations import REMINDER, RESULT, agent, asking, calls, says

GOOD = Observation(output_tokens=100, stop=StopReason.END)
EMPTY = evolve(GOOD, output_tokens=0)
ERROR = Observation(is_error=True)
ODD = evolve(GOOD, stop=StopReason.UNKNOWN)
SILENT = evolve(GOOD, tools_expected=True)
CALLING = evolve(SILENT, has_tool_use=True, stop=StopReason.TOOL_USE)
SENSITIVITIES: tuple[DriftSensitivity, ...] = ("low", "normal", "high")
observations = st.builds(
    Observation,
    output_tokens=st.integers(0, 300),
    has_tool_use=st.booleans(),
    tools_expected=st.booleans(),
    stop=st.none() | st.sampled_from(StopReason),
    is_error=st.booleans(),
)


def window(*parts: tuple[int, Observation]) -> Window:
    return tuple(one for count, observation in parts for one in [observation] * count)


def lengths(*tokens: int) -> Window:
    return tuple(evolve(GOOD, output_tokens=count) for count in tokens)


def test_a_window_keeps_the_latest_in_their_order() -> None:
    seen: Window = ()
    for tokens in range(6):
        seen = observe(seen, evolve(GOOD, output_tokens=tokens), 4)

    assert [one.output_tokens for one in seen] == [2, 3, 4, 5]


def test_a_window_shrinks_with_its_size() -> None:
    assert observe(window((9, GOOD)), EMPTY, 4) == window((3, GOOD), (1, EMPTY))


@pytest.mark.parametrize(("sensitivity", "fill"), [("low", 10), ("normal", 6), ("high", 4)])
def test_nothing_is_judged_before_the_window_is_filled_enough(sensitivity: DriftSensitivity, fill: int) -> None:
    assert judge(window((fill - 1, ERROR)), sensitivity) == DriftVerdict()
    assert judge(window((fill, ERROR)), sensitivity).severity is Severity.MILD


# for each signal of each preset: how many of twenty are just at the bound
AT_THE_BOUNDS = [
    ("low", "empty_response_rate", EMPTY, 10, GOOD, Severity.SEVERE),
    ("normal", "empty_response_rate", EMPTY, 6, GOOD, Severity.SEVERE),
    ("high", "empty_response_rate", EMPTY, 4, GOOD, Severity.SEVERE),
    ("low", "tool_silence_rate", SILENT, 16, CALLING, Severity.MILD),
    ("normal", "tool_silence_rate", SILENT, 14, CALLING, Severity.MILD),
    ("high", "tool_silence_rate", SILENT, 10, CALLING, Severity.MILD),
    ("low", "stop_anomaly_rate", ODD, 12, GOOD, Severity.MILD),
    ("normal", "stop_anomaly_rate", ODD, 8, GOOD, Severity.MILD),
    ("high", "stop_anomaly_rate", ODD, 6, GOOD, Severity.MILD),
    ("low", "error_rate", ERROR, 8, GOOD, Severity.MILD),
    ("normal", "error_rate", ERROR, 5, GOOD, Severity.MILD),
    ("high", "error_rate", ERROR, 3, GOOD, Severity.MILD),
]


@pytest.mark.parametrize(("sensitivity", "signal", "bad", "count", "good", "severity"), AT_THE_BOUNDS)
def test_a_signal_fires_beyond_its_bound_and_not_at_it(
    *, sensitivity: DriftSensitivity, signal: str, bad: Observation, count: int, good: Observation, severity: Severity
) -> None:
    # bad and good in turn, so that the halves of the window are alike; the odd one in the older half
    at = _spread(bad, count, good)
    beyond = _spread(bad, count + 1, good)

    assert judge(at, sensitivity).severity is Severity.NONE
    assert judge(at, sensitivity).signals[signal] == count / 20
    assert (judge(beyond, sensitivity).severity, judge(beyond, sensitivity).reason) == (severity, signal)


def _spread(bad: Observation, count: int, good: Observation) -> Window:
    return tuple(bad if (place + 1) * count // 20 > place * count // 20 else good for place in reversed(range(20)))


@pytest.mark.parametrize(
    ("sensitivity", "newer", "severity"),
    [("low", 30, "none"), ("low", 29, "severe"), ("normal", 50, "none"), ("normal", 49, "severe"), ("high", 70, "none")],
)
def test_answers_that_get_short_are_severe_below_the_bound(sensitivity: DriftSensitivity, newer: int, severity: str) -> None:
    verdict = judge(lengths(*[100] * 5, *[newer] * 5), sensitivity)

    assert (verdict.severity, verdict.signals["length_collapse_ratio"]) == (severity, newer / 100)


@pytest.mark.parametrize(
    ("tokens", "ratio"),
    [
        ((100, 100, 10, 10), 0.1),
        ((100, 300, 10, 20, 30), 0.1),
        ((7, 7, 7, 3, 2, 2), 0.286),
        ((0, 0, 50, 50), None),
        ((100, 100, 10), None),
    ],
)
def test_lengths_are_compared_by_the_medians_of_two_halves(tokens: Sequence[int], ratio: float | None) -> None:
    seen = (*lengths(*tokens), *[ERROR] * 4)

    assert judge(seen, "high").signals.get("length_collapse_ratio") == ratio


def test_silence_is_not_judged_on_fewer_than_three_turns() -> None:
    assert "tool_silence_rate" not in judge(window((6, GOOD), (2, SILENT)), "normal").signals
    assert judge(window((6, GOOD), (3, SILENT)), "normal").reason == "tool_silence_rate"


def test_final_answers_do_not_count_as_silence() -> None:
    assert judge(window((17, GOOD), (3, CALLING)), "high").severity is Severity.NONE


def test_what_failed_is_neither_empty_nor_silent_nor_odd() -> None:
    failed = evolve(SILENT, output_tokens=0, stop=None, is_error=True)

    assert judge(window((10, failed)), "normal").signals == {"error_rate": 1.0}


@pytest.mark.parametrize("stop", [reason for reason in StopReason if reason is not StopReason.UNKNOWN])
def test_every_known_end_is_an_expected_one(stop: StopReason) -> None:
    assert judge(window((10, evolve(GOOD, stop=stop))), "high").signals["stop_anomaly_rate"] == 0


@pytest.mark.parametrize("stop", [None, StopReason.UNKNOWN])
def test_an_end_without_a_known_reason_is_an_anomaly(stop: StopReason | None) -> None:
    assert judge(window((10, evolve(GOOD, stop=stop))), "low").signals["stop_anomaly_rate"] == 1


@pytest.mark.parametrize(
    ("seen", "severity", "reason"),
    [
        (window((10, GOOD)), Severity.NONE, ""),
        (window((7, GOOD), (3, ERROR)), Severity.MILD, "error_rate"),
        (window((4, ODD), (3, GOOD), (3, ERROR)), Severity.SEVERE, "stop_anomaly_rate, error_rate"),
        (window((3, EMPTY), (3, GOOD), (4, ERROR)), Severity.SEVERE, "empty_response_rate, error_rate"),
    ],
)
def test_one_severe_or_two_mild_signals_are_severe(seen: Window, severity: Severity, reason: str) -> None:
    verdict = judge(seen, "normal")

    assert (verdict.severity, verdict.reason) == (severity, reason)


def test_signals_have_three_decimals() -> None:
    assert judge(window((5, GOOD), (2, ERROR)), "normal").signals == {
        "empty_response_rate": 0.0,
        "length_collapse_ratio": 1.0,
        "stop_anomaly_rate": 0.0,
        "error_rate": 0.286,
    }


@given(seen=st.lists(observations, max_size=30).map(tuple), sensitivity=st.sampled_from(SENSITIVITIES))
def test_verdicts_agree_with_themselves(seen: Window, sensitivity: DriftSensitivity) -> None:
    verdict = judge(seen, sensitivity)

    assert (verdict.severity is Severity.NONE) is (verdict.reason == "")
    assert set(filter(None, verdict.reason.split(", "))) <= verdict.signals.keys()
    assert all(value >= 0 for value in verdict.signals.values())
    assert all(value <= 1 for name, value in verdict.signals.items() if name.endswith("_rate"))


@given(
    seen=st.lists(observations, min_size=4, max_size=30),
    chance=st.randoms(use_true_random=False),
    sensitivity=st.sampled_from(SENSITIVITIES),
)
def test_the_order_inside_each_half_says_nothing(
    seen: list[Observation], chance: Random, sensitivity: DriftSensitivity
) -> None:  # I31
    answers = [one for one in seen if not one.is_error]
    middle = len(answers) // 2
    older, newer = answers[:middle], answers[middle:]
    errors = [one for one in seen if one.is_error]

    for part in (older, newer):
        chance.shuffle(part)
    mixed = [*older, *newer]
    for error in errors:  # a failure has no length: where it stands says nothing either
        mixed.insert(chance.randint(0, len(mixed)), error)

    assert judge(tuple(mixed), sensitivity) == judge(tuple(seen), sensitivity)


@given(seen=st.lists(observations, min_size=10, max_size=30).map(tuple))
def test_what_a_low_sensitivity_sees_a_higher_one_sees_too(seen: Window) -> None:
    order = list(Severity)
    seen_by = [order.index(judge(seen, sensitivity).severity) for sensitivity in SENSITIVITIES]

    assert seen_by == sorted(seen_by)


def test_presets_get_stricter() -> None:
    low, normal, high = (PRESETS[sensitivity] for sensitivity in SENSITIVITIES)

    assert low.error_rate > normal.error_rate > high.error_rate
    assert low.length_collapse_ratio < normal.length_collapse_ratio < high.length_collapse_ratio


READ = Tool(name="Read")


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (RESULT, True),
        (says(ToolResult(call_id="c"), REMINDER), True),
        (says(ToolResult(call_id="c"), "stop, and tell me why"), False),
        (says("Use the Read tool on main.py"), True),
        (says("please run it with `read`"), True),
        (says("Then call\nRead."), True),
        (says("you may use tools"), True),
        (says("don\u2019t use any tools, just answer"), False),
        (says("answer without using Read"), False),
        (says("do not call the tool again"), False),
        (says("what does this function call do?"), False),
        (says("I have read the file"), False),
        (says("use Bash"), False),
        (says(REMINDER.replace("mind the gap", "use the Read tool"), "thanks"), False),
        (says("use the Read tool. " + "x" * 3_000), False),
        (calls("Read"), False),
        (says(), False),
    ],
)
def test_a_call_is_expected_after_a_result_and_when_somebody_says_so(last: Message, *, expected: bool) -> None:
    request = evolve(asking(*agent(calls("Read")), last), tools=(READ,))

    assert tools_expected(request) is expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(ChoiceMode.AUTO, False), (ChoiceMode.REQUIRED, True), (ChoiceMode.NAMED, True), (ChoiceMode.NONE, False)],
)
def test_a_call_is_expected_where_the_choice_demands_one(mode: ChoiceMode, *, expected: bool) -> None:
    request = evolve(asking(says("thanks")), tools=(READ,), tool_choice=ToolChoice(mode=mode))

    assert tools_expected(request) is expected


def test_no_call_is_expected_without_tools_or_where_they_are_forbidden() -> None:
    conversation = asking(*agent(calls("Read")))

    assert not tools_expected(conversation)
    assert not tools_expected(evolve(conversation, tools=(READ,), tool_choice=ToolChoice(mode=ChoiceMode.NONE)))
    assert not tools_expected(evolve(asking(), tools=(READ,)))


def test_an_instruction_of_the_client_behind_a_result_changes_nothing() -> None:
    rules = Message(role=Role.SYSTEM, content=(Text("be brief"),))

    assert tools_expected(evolve(asking(*agent(calls("Read")), rules), tools=(READ,)))
