"""Output filters over neutral events (wire.md 15)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.config.schema_provider import OUTPUT_FILTERS
from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
    fold,
)
from router.guards.filters import FilterRules, filter_stages
from router.guards.stages import Chain
from router.wire.reasoning import router_signature
from router.wire.registry import DIALECTS
from router.wire.sse import SseFramer
from tests import vectors
from tests.router.wire.drive import CHAT, minting, options_of

CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in vectors.load("filters/cases.json")["cases"]}
END = Stopped(reason=StopReason.END)
SEEN = UsageSeen(Usage(output=1))
CALL: tuple[NeutralEvent, ...] = (ToolStarted(slot=0, id="c", name="Read"), ToolDelta(0, "{}"), ToolDone(0))
EVERY = FilterRules(names=OUTPUT_FILTERS)
PIECES = (
    "<think>",
    "</THINK>",
    "<thi",
    "nk>",
    "<",
    "</",
    ">",
    "\n",
    " ",
    "a",
    "é",
    "<|im_",
    "<|im_end|>",
    "end|>",
    "<0xC3>",
    "<0xA9>",
)
MORE_PIECES = (
    "<0xff>",
    "<0x",
    "A9>",
    "<tool_call>",
    "</tool_call>",
    "<tool_",
    "[/INST]",
    "[/IN",
    "\u212a",
    "<|tool\u2581",
    "call|>",
)
texts = st.lists(st.sampled_from(PIECES + MORE_PIECES), max_size=24).map("".join)


class Filtered:
    """Both stages of one answer, in their places."""

    def __init__(self, rules: FilterRules) -> None:
        self.stages = [stage for stage in filter_stages(rules) if stage is not None]
        self._chain = Chain(tuple(self.stages))

    def feed(self, event: NeutralEvent) -> list[NeutralEvent]:
        return list(self._chain.feed(event))

    def release(self) -> list[NeutralEvent]:
        return list(self._chain.release())

    @property
    def applied(self) -> list[str]:
        return [name for stage in self.stages for name in stage.applied]


def run(rules: FilterRules | str, *events: NeutralEvent | str) -> list[NeutralEvent]:
    """Return what comes out for texts and events, and the end."""
    filtered = Filtered(FilterRules(names=(rules,)) if isinstance(rules, str) else rules)
    given_in = (TextDelta(event) if isinstance(event, str) else event for event in (*events, *([] if END in events else [END])))
    return [out for event in given_in for out in filtered.feed(event)]


def text_of(events: Iterable[NeutralEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def joined(events: Iterable[NeutralEvent]) -> list[NeutralEvent]:
    """Return the events with deltas of a row as one: what a client has in the end."""
    out: list[NeutralEvent] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta):
            out[-1] = TextDelta(last.text + event.text)
        elif isinstance(event, ThinkingDelta) and isinstance(last, ThinkingDelta):
            out[-1] = ThinkingDelta(last.text + event.text)
        else:
            out.append(event)
    return out


def cut(text: str, places: Iterable[int]) -> list[str]:
    bounds = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[start:end] for start, end in pairwise(bounds) if start < end]


@pytest.mark.parametrize("name", CASES)
def test_vector_chunk_by_chunk(name: str) -> None:
    case = CASES[name]
    filtered = Filtered(FilterRules(names=tuple(case["filters"])))

    out = [filtered.feed(TextDelta(chunk)) for chunk in case["chunks"]]
    out.append([event for event in filtered.feed(END) if event != END])

    expected = [*case["expected_chunks"], ""][: len(out)]
    assert [text_of(events) for events in out] == expected
    assert filtered.applied == case["applied"]


@pytest.mark.parametrize("name", CASES)
def test_vector_in_every_other_cut(name: str) -> None:
    case = CASES[name]
    whole, expected = "".join(case["chunks"]), "".join(case["expected_chunks"])
    rules = FilterRules(names=tuple(case["filters"]))

    for chunks in (list(whole), [whole], *([whole[:at], whole[at:]] for at in range(1, len(whole)))):
        assert text_of(run(rules, *chunks)) == expected


@given(text=texts, places=st.lists(st.integers(0, 300), max_size=30), shows=st.booleans())
@example(text="<0xC3><think>", places=[3], shows=False)
def test_no_cut_changes_what_comes_out(text: str, places: list[int], *, shows: bool) -> None:
    for names in (OUTPUT_FILTERS, tuple(name for name in OUTPUT_FILTERS if not name.endswith("prefilled"))):
        rules = FilterRules(names=names, extra_markers=("<|im_", "aé"), thinking_to_events=shows)

        assert joined(run(rules, *cut(text, places))) == joined(run(rules, *([text] if text else [])))


@given(text=texts, places=st.lists(st.integers(0, 300), max_size=30))
def test_no_delta_is_empty_and_no_block_blank(text: str, places: list[int]) -> None:
    out = run(EVERY, *cut(text, places), *CALL)

    assert all(event.text for event in out if isinstance(event, TextDelta | ThinkingDelta))
    assert not any(event.text.isspace() for event in joined(out) if isinstance(event, TextDelta))


@given(chunks=st.lists(st.text(alphabet="ab \n>/|]0xé", min_size=1), max_size=8))
def test_text_without_anything_special_passes_as_it_is(chunks: list[str]) -> None:
    text = "a" + "".join(chunks)

    assert (
        text_of(run(FilterRules(names=("strip_thinking", "strip_stop_markers", "repair_byte_fallback")), text[0], *chunks))
        == text
    )


def test_plain_deltas_pass_as_the_same_objects() -> None:
    filtered = Filtered(FilterRules(names=("strip_thinking", "strip_stop_markers")))
    filtered.feed(TextDelta("Once "))
    delta = TextDelta("upon")

    assert filtered.feed(delta)[0] is delta


@pytest.mark.parametrize(
    ("rules", "text", "expected"),
    [
        ("strip_thinking", "<thinking>a</thinking>b", "b"),
        ("strip_thinking", "<think>a</thinking>b", "b"),
        ("strip_thinking", "<thinking>say <think> or </think>b", "b"),
        ("strip_thinking", "</think>\n\nAnswer", "Answer"),
        ("strip_thinking", " \n<think>a</think>\n\nAnswer", "Answer"),
        ("strip_thinking", "<think>a</think>\n<think>b</think>\nAnswer", "Answer"),
        ("strip_thinking", "<think>\n\nonly thoughts </thi", "only thoughts </thi"),
        ("strip_thinking", "<think>\n \n", ""),
        ("strip_thinking", "<think>a</think>\n", ""),
        ("strip_thinking", "<think\u0131ng>", "<think\u0131ng>"),
        ("strip_thinking", "<thin\u212a>a</thin\u212a>", "<thin\u212a>a</thin\u212a>"),
        ("strip_thinking_prefilled", "just an answer", "just an answer"),
        ("strip_thinking_prefilled", "a</think>b<think>c</think>d", "bd"),
        ("strip_tool_call_xml", "<tool_call>{}</tool_call>\nDone", "Done"),
        ("strip_tool_call_xml", "Done\n</TOOL_CALL>", "Done\n"),
        ("strip_tool_call_xml", "<tool_call>the answer after all", "the answer after all"),
        ("strip_stop_markers", "a<|im_start|>assistant<|endoftext|>b<end_of_turn>[/INST]c<|eom_id|>", "abc"),
        ("strip_stop_markers", "<\uff5cend\u2581of\u2581sentence\uff5c>a<|tool\u2581sep|>", "a"),
        ("strip_stop_markers", "a<|IM_END|>", "a<|IM_END|>"),
        ("repair_byte_fallback", "a<0x0A>b", "a\nb"),
        ("repair_byte_fallback", "<0xE4><0xBD><0xA0><0xE5><0xA5><0xBD>", "\u4f60\u597d"),
        ("repair_byte_fallback", "<0xe4><0xbd>!", "<0xE4><0xBD>!"),
        ("repair_byte_fallback", "<0xE4><0xBD><0xC3><0xA9><0xC3", "<0xE4><0xBD>\u00e9<0xC3"),
        ("repair_byte_fallback", "<0x3C>think<0x3E>", "<think>"),
    ],
)
def test_text_is_filtered_by_the_rule(rules: str, text: str, expected: str) -> None:
    assert text_of(run(rules, *text)) == expected


def test_bytes_are_repaired_before_thinking_is_looked_for() -> None:
    rules = FilterRules(names=("strip_thinking", "repair_byte_fallback"))

    assert text_of(run(rules, "<0x3C>think>a</think>b")) == "b"


@pytest.mark.parametrize(
    ("extra", "text", "expected"),
    [
        (("<|im_start|>",), "<|im_start|>assistant<|im_start|>user<|im_start|>", "user"),
        (("\u7d42\u308f\u308a",), "a\u7d42\u308f\u308a", "a"),
        (("",), "abc", "abc"),
    ],
)
def test_configured_markers_are_taken_out_too_the_longest_first(extra: tuple[str, ...], text: str, expected: str) -> None:
    assert text_of(run(FilterRules(names=("strip_stop_markers",), extra_markers=extra), *text)) == expected


def test_each_run_of_text_is_filtered_afresh() -> None:
    out = run("strip_thinking", "a<thi", *CALL, "nk>b")

    assert out == [TextDelta("a"), TextDelta("<thi"), *CALL, TextDelta("nk>b"), END]


def test_what_is_held_comes_before_what_ends_the_run() -> None:
    for ending in (ThinkingDelta("t"), ThinkingRedacted("r"), CALL[0], END):
        filtered = Filtered(EVERY)
        filtered.feed(TextDelta("</think>x<|im_"))

        assert filtered.feed(ending) == [TextDelta("<|im_"), ending]


def test_usage_in_the_middle_ends_no_run() -> None:
    out = run("strip_thinking", Started(id="", model="m", created=0), "a<think>b</th", SEEN, "ink>c")

    assert [event for event in out if isinstance(event, TextDelta)] == [TextDelta("a"), TextDelta("c")]


@pytest.mark.parametrize("rules", ["strip_thinking", "strip_thinking_prefilled"])
def test_an_unclosed_block_is_not_given_back_beside_a_call(rules: str) -> None:
    assert run(rules, "<think>let me read", *CALL) == [*CALL, END]


def test_an_unclosed_block_is_given_back_behind_reasoning_that_followed() -> None:
    thought = ThinkingDelta("t")

    assert run("strip_thinking", "<think>all I say", thought) == [thought, TextDelta("all I say"), END]


def test_text_that_a_filter_leaves_blank_opens_no_block_before_a_call() -> None:
    assert run("strip_thinking", "\n<think>a</think>\n", *CALL) == [*CALL, END]


def test_only_the_first_text_begins_inside_a_prefilled_block() -> None:
    assert run("strip_thinking_prefilled", "a</think>b", *CALL, "c") == [TextDelta("b"), *CALL, TextDelta("c"), END]


def test_reasoning_of_the_servers_own_means_that_no_block_is_prefilled() -> None:
    thought = ThinkingDelta("t")

    assert run("strip_thinking_prefilled", thought, "Answer") == [thought, TextDelta("Answer"), END]


def converting(name: str = "strip_thinking") -> FilterRules:
    return FilterRules(names=(name,), thinking_to_events=True, provider="local")


def test_a_leading_block_becomes_signed_reasoning_where_it_is_converted() -> None:
    out = run(converting(), "<think>\nwell", " then\n</think>\n\nAnswer <think>late</think>")

    signed = ThinkingSigned(router_signature("local", "well then\n"))
    assert out == [ThinkingDelta("well"), ThinkingDelta(" then\n"), signed, TextDelta("Answer "), END]
    assert [type(block).__name__ for block in fold(out).blocks] == ["SaidThinking", "SaidText"]


def test_a_blank_block_is_no_reasoning() -> None:
    assert run(converting(), "<think>\n\n</think>\n\nAnswer") == [TextDelta("Answer"), END]


def test_converted_reasoning_that_never_ends_is_given_back_as_text_too() -> None:
    thought, signed = ThinkingDelta("all I say"), ThinkingSigned(router_signature("local", "all I say"))

    assert run(converting("strip_thinking_prefilled"), "all I say") == [thought, signed, TextDelta("all I say"), END]
    assert run(converting(), "<think>all I say", *CALL) == [thought, signed, *CALL, END]


def test_a_failed_stream_gets_what_was_held_and_nothing_of_an_open_block() -> None:
    filtered = Filtered(EVERY)
    filtered.feed(TextDelta("</think>a <|im_"))
    inside = Filtered(EVERY)
    inside.feed(TextDelta("thoughts <0xC3"))

    assert filtered.release() == [TextDelta("<|im_")]
    assert inside.release() == []


def test_a_stage_is_there_only_for_what_is_selected() -> None:
    assert filter_stages(FilterRules(names=())) == (None, None)
    assert [stage is not None for stage in filter_stages(FilterRules(names=("repair_byte_fallback",)))] == [True, False]
    assert [stage is not None for stage in filter_stages(FilterRules(names=("strip_tool_call_xml",)))] == [False, True]


@pytest.mark.parametrize("name", OUTPUT_FILTERS)
def test_every_name_of_the_configuration_is_a_filter(name: str) -> None:
    filtered = Filtered(FilterRules(names=(name,)))
    for text in ("x<0xC3><0xA9></think>", "<|im_end|><tool_call>"):
        filtered.feed(TextDelta(text))

    assert filtered.applied == [name]


def test_names_that_changed_something_are_told_in_the_fixed_order() -> None:
    filtered = Filtered(EVERY)
    filtered.feed(TextDelta("t</think><tool_call></tool_call><|end|><0x41>"))

    assert filtered.applied == ["repair_byte_fallback", "strip_thinking_prefilled", "strip_stop_markers", "strip_tool_call_xml"]


def test_the_recorded_stream_with_think_tags_says_hello() -> None:
    folder = "streams/openai_to_anthropic/22_think_tags_filter"
    decoder = DIALECTS[CHAT].decoder(options_of(vectors.load(f"{folder}.expected.json")), minting())
    framer = SseFramer()
    frames = [*framer.feed((vectors.WIRE / f"{folder}.sse").read_bytes()), *framer.close()]
    events = [event for frame in frames for event in decoder.feed(frame)]

    out = run("strip_thinking", *events, *decoder.close())

    assert [event.text for event in out if isinstance(event, TextDelta)] == ["Hel", "lo"]


@pytest.mark.parametrize("fill", ["<", "<|", "[", "<0x", "<0xFF>", "<think>", "</think>", "<thi", "\n", " ", "a</think>"])
@pytest.mark.parametrize(("chars", "piece"), [(65_536, 65_536), (8_192, 1)])
def test_a_hostile_text_costs_no_more_than_its_length(fill: str, chars: int, piece: int) -> None:
    text = fill * (chars // len(fill))
    rules = FilterRules(names=OUTPUT_FILTERS, extra_markers=("<" * 64,))
    begin = time.process_time()

    run(rules, *(text[at : at + piece] for at in range(0, len(text), piece)))

    assert time.process_time() - begin < 1  # some hundredths; each character looked at again for each would take minutes
