"""Families, their label words, and the rules that feed them: nothing is left out, nothing is made up."""

from __future__ import annotations

from typing import get_args

import pytest

from router.config.schema_profile import ToolLoopAction
from router.observers.counting import RULES
from router.observers.events import EVENTS
from router.observers.families import (
    COUNTED,
    LATENCY_BUCKETS_S,
    PROBE_SKIP_WORDS,
    SKIP_WORDS,
    TOOL_LOOPS,
    Family,
    Kind,
    Names,
)
from router.observers.state_families import CHILD_STATES, PROCESS_STATES, READ
from router.routing.chain import DropReason
from supervisors.keep_running import ChildState
from supervisors.probes import ProbeSkip
from supervisors.process_state import ProcessState
from tests.router.observers.family_tables import family_tables, written_tables

EVERY = (*COUNTED, *READ)


def test_words_that_are_written_down_a_second_time_are_those_of_their_owners() -> None:
    assert set(SKIP_WORDS) == {*DropReason, "missing-credential", "missing-package"}
    assert set(PROBE_SKIP_WORDS) == set(ProbeSkip)
    assert set(PROCESS_STATES) == set(ProcessState)
    assert set(CHILD_STATES) == set(ChildState)
    assert set(TOOL_LOOPS.labels[1].words or ()) == set(get_args(ToolLoopAction))


def test_no_two_families_have_a_name_in_common() -> None:
    assert len({family.name for family in EVERY}) == len(EVERY)


@pytest.mark.parametrize("family", EVERY, ids=lambda family: family.name)
def test_a_name_says_what_it_counts(family: Family) -> None:
    assert family.name.startswith("router_")
    assert family.name.endswith("_total") is (family.kind is Kind.COUNTER)
    assert (family.kind is Kind.HISTOGRAM) <= family.name.endswith("_seconds")
    assert family.about.endswith(".")


@pytest.mark.parametrize("family", COUNTED, ids=lambda family: family.name)
def test_each_counted_family_has_a_rule_and_only_closed_labels(family: Family) -> None:
    assert any(rule.family is family for rules in RULES.values() for rule in rules)
    assert all(isinstance(label.words, Names) or label.words for label in family.labels)
    are_names = [isinstance(label.words, Names) for label in family.labels]
    assert are_names == sorted(are_names, reverse=True)  # they stand first: `Counts` counts on it


def test_each_rule_is_of_an_event_that_there_is() -> None:
    assert RULES.keys() <= EVENTS.keys()


def test_the_buckets_go_from_a_cached_prompt_to_a_model_that_takes_half_an_hour() -> None:
    assert (LATENCY_BUCKETS_S[0], LATENCY_BUCKETS_S[-1]) == (0.05, 1800)
    assert list(LATENCY_BUCKETS_S) == sorted(set(LATENCY_BUCKETS_S))


def test_the_document_has_every_family() -> None:
    assert written_tables() == family_tables(), "run python -m tests.router.observers.family_tables"
