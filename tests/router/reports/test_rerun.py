"""The comparison of two providers' answers, and how it is printed."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from router.domain.events import Usage
from router.domain.rerun import Answered, Called, Pair, Rerun
from router.reports.rerun import MOST_DIFFERENT, Comparison, as_document, compare, likeness, text_likeness
from router.reports.rerun_print import open_progress, print_comparison

LS, CAT = Called(name="ls", arguments={"path": "a"}), Called(name="cat", arguments={"path": "a"})
LS_OTHER = Called(name="ls", arguments={"path": "b"})
BROKEN = Called(name="ls", arguments=None, misfit="the arguments are not a JSON object")


def an_answer(provider: str = "a", text: str = "", *calls: Called, **facts: Any) -> Answered:  # noqa: ANN401 - fields
    answer = Answered(provider=provider, text=text, calls=calls, total_s=2.0, usage=Usage(input=10, output=4, cache_read=3))
    return evolve(answer, **facts)


def a_pair(first: Answered, second: Answered, number: int = 1) -> Pair:
    return Pair(request_id=f"r{number}", first=first, second=evolve(second, provider="b"))


def a_report(*pairs: Pair, **facts: Any) -> Comparison:  # noqa: ANN401 - fields of the run
    run = Rerun(providers=("a", "b"), pairs=pairs, left_out={}, bad_records=0, spent_usd=0.0, max_usd=1.0)
    return compare(evolve(run, **facts))


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("", "", 1.0),
        ("", "something", 0.0),
        ("abcd", "abcd", 1.0),
        ("abcd", "wxyz", 0.0),
        ("abcd", "abce", 0.5),  # abc and bcd, abc and bce: one of two
        ("aaaa", "aaa", 2 / 3),  # aaa twice and once: two times one of three
        ("Hello  World\n", "hello world", 1.0),
        ("ab", "ab", 1.0),  # shorter than a piece: a piece by itself
    ],
)
def test_texts_are_as_alike_as_their_pieces(one: str, other: str, alike: float) -> None:
    assert text_likeness(one, other) == pytest.approx(alike)


@given(st.text(max_size=40), st.text(max_size=40))
def test_likeness_is_a_share_and_the_same_from_both_sides(one: str, other: str) -> None:
    assert 0 <= text_likeness(one, other) <= 1
    assert text_likeness(one, other) == text_likeness(other, one)
    assert text_likeness(one, one) == 1


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ((LS,), (LS,), 1.0),
        ((LS,), (LS_OTHER,), 0.5),
        ((LS,), (BROKEN,), 0.5),
        ((LS,), (CAT,), 0.0),
        ((LS,), (), 0.0),
        ((LS, CAT), (CAT, LS), 0.0),
    ],
)
def test_calls_are_alike_by_tool_and_arguments(first: tuple[Called, ...], second: tuple[Called, ...], alike: float) -> None:
    assert likeness(a_pair(an_answer("a", "x", *first), an_answer("b", "x", *second))) == alike


def test_the_figures_of_each_side_are_its_own() -> None:
    slow = an_answer(total_s=4.0, ttft_s=1.0, cost_usd=0.25, is_cost_guessed=True)
    failed = an_answer(failure="timeout", total_s=9.0, usage=None, cost_usd=0.5)
    unsent = an_answer(failure="context-overflow", is_sent=False, total_s=None, usage=None)
    report = a_report(
        a_pair(an_answer("a", "x", LS, BROKEN), slow), a_pair(failed, an_answer("b", "x", cost_usd=0.5)), a_pair(unsent, failed)
    )

    first, second = report.sides
    assert (first.n, first.sent, first.answered, dict(first.failures)) == (3, 2, 1, {"timeout": 1, "context-overflow": 1})
    assert first.total_s is not None
    assert (first.total_s.n, first.total_s.value, first.ttft_s) == (1, 2.0, None)
    assert (first.calls, first.fit, first.misfits) == (2, 1, {"ls: the arguments are not a JSON object": 1})
    assert (first.prompt_tokens, first.output_tokens, first.cache_read_tokens, first.cost_usd) == (13, 4, 3, 0.5)
    assert second.total_s is not None
    assert (second.total_s.value, second.prompt_tokens, second.cost_usd, second.guessed_costs) == (3.0, 26, 1.25, 1)
    assert report.agreement.n == 1


def test_those_that_differ_most_are_named_first() -> None:
    texts = ["same words here", "same words there", "quite another", "x", "same", "words", "here", "words here"]
    pairs = [a_pair(an_answer(text=texts[0]), an_answer(text=text), number) for number, text in enumerate(texts)]
    report = a_report(*pairs)

    found = report.agreement.most_different
    assert len(found) == MOST_DIFFERENT
    assert {found[0].request_id, found[1].request_id} == {"r2", "r3"}
    assert [one.alike for one in found] == sorted(one.alike for one in found)
    assert "r0" not in {one.request_id for one in found}


@pytest.mark.parametrize(("n", "is_warned"), [(29, True), (30, False)])
def test_few_requests_are_warned_about(n: int, *, is_warned: bool) -> None:
    assert bool(a_report(*[a_pair(an_answer(), an_answer())] * n).warning) is is_warned


def test_the_document_has_every_figure() -> None:
    report = a_report(a_pair(an_answer("a", "x", LS), an_answer()), left_out={"too-large": 2}, bad_records=1, ended="interrupted")

    document = orjson.loads(orjson.dumps(as_document(report)))
    assert (document["ended"], document["left_out"], document["bad_records"]) == ("interrupted", {"too-large": 2}, 1)
    assert [side["provider"] for side in document["sides"]] == ["a", "b"]
    assert document["agreement"]["most_different"] == [{"request_id": "r1", "alike": 0.0, "how": "ls and no tool"}]


def test_no_name_that_a_model_made_up_reaches_the_terminal_as_a_command() -> None:
    evil = Called(name="rm\x1b]0;title\x07\n", arguments={}, misfit="is\x1b[2J not one of the tools")
    pair = a_pair(an_answer("a", "", evil), an_answer("b", "", LS))
    out = Console(file=io.StringIO(), width=200, highlight=False)
    print_comparison(a_report(pair, left_out={"o\x1bd": 1}, ended="\x1bc"), out)
    with open_progress(1, lambda: 0.0, out) as on_pair:
        on_pair(evolve(pair, request_id="r\x1b1", first=evolve(pair.first, failure="\x1b[31m")))
    assert isinstance(out.file, io.StringIO)
    shown = out.file.getvalue()

    assert all(line.isprintable() for line in shown.split("\n"))
    assert "rm\\x1b]0;title\\x07" in shown


def test_the_report_fits_a_terminal_and_takes_no_name_for_markup() -> None:
    out = Console(file=io.StringIO(), width=80, highlight=False)
    report = a_report(
        *[a_pair(an_answer("a", "[red]x", LS), an_answer("b", "y", LS_OTHER))] * 6,
        left_out={"too-large": 2},
        bad_records=1,
        ended="interrupted",
        spent_usd=0.5,
    )
    print_comparison(report, out)
    assert isinstance(out.file, io.StringIO)
    shown = out.file.getvalue()

    assert max(map(len, shown.splitlines())) <= 80
    for words in (
        "whole answer, median (95 %)   2.000 s (2.000 to 2.000)",
        "tools: of 6 requests with a call, 6 with the same tools",
        "differs: r1, 0.50 alike: ls with other arguments",
        "left out: 2 x too-large",
        "left out: 1 lines that are not records",
        "spent at most $0.500000 of $1.00",
        "ended early: interrupted",
        "warning: 6 requests are few",
    ):
        assert words in shown


def test_without_a_terminal_each_pair_is_a_line() -> None:
    out = Console(file=io.StringIO(), width=40)
    with open_progress(2, lambda: 0.0, out) as on_pair:
        on_pair(a_pair(an_answer(), an_answer(failure="timeout", cost_usd=0.5), 1))
        on_pair(a_pair(an_answer(total_s=None), an_answer(), 2))
    assert isinstance(out.file, io.StringIO)

    assert out.file.getvalue().splitlines() == [
        "1/2 r1: a ok in 2.00 s for $0.000000, b timeout in 2.00 s for $0.500000",
        "2/2 r2: a ok in - for $0.000000, b ok in 2.00 s for $0.000000",
    ]


def test_a_terminal_gets_a_bar() -> None:
    out = Console(file=io.StringIO(), width=80, force_terminal=True)
    with open_progress(2, lambda: 0.25, out) as on_pair:
        on_pair(a_pair(an_answer(), an_answer()))
    assert isinstance(out.file, io.StringIO)

    shown = Text.from_ansi(out.file.getvalue()).plain
    assert "asking, $0.2500 spent" in shown
    assert "1/2" in shown


def test_one_provider_that_was_asked_twice_has_two_columns_that_can_be_told_apart() -> None:
    failed = an_answer("a", failure="timeout")
    report = a_report(Pair(request_id="r1", first=an_answer("a"), second=failed), providers=("a", "a"))
    text = io.StringIO()

    print_comparison(report, Console(file=text, width=80, highlight=False))

    lines = text.getvalue().splitlines()
    assert lines[0].split() == ["a", "(1st)", "a", "(2nd)"]
    assert "a (2nd): 1 x timeout" in lines
