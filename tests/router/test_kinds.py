"""What is said by kind of provider is said of every kind: one that is added fails here until somebody has thought of it."""

from __future__ import annotations

from typing import get_args

import pytest

from router.config.out_of_place import KINDS_OF_KEY
from router.config.schema_provider import ProviderKind
from router.doctor.examine import LEAKY_KINDS
from router.doctor.mends import addresses
from router.observers.otel_words import Upstream
from router.providers.adapter import DIALECT_OF_KIND
from tests.builders import a_provider

KINDS: tuple[ProviderKind, ...] = get_args(ProviderKind)
WITH_A_FIELD_FOR_REASONING = {"anthropic", "gemini"}


def test_every_kind_speaks_a_dialect() -> None:
    assert set(DIALECT_OF_KIND) == set(KINDS)


def test_every_kind_has_keys_that_not_all_have() -> None:
    assert set().union(*KINDS_OF_KEY.values()) == set(KINDS)


def test_every_kind_leaks_its_reasoning_or_has_a_field_for_it() -> None:
    assert {*LEAKY_KINDS, *WITH_A_FIELD_FOR_REASONING} == set(KINDS)
    assert not WITH_A_FIELD_FOR_REASONING.intersection(LEAKY_KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_of_every_kind_other_addresses_are_known(kind: ProviderKind) -> None:
    assert addresses(a_provider("p", kind=kind, base_url="http://host:1/elsewhere"))


def test_every_kind_has_its_name_in_telemetry() -> None:
    told = {kind: Upstream.of(a_provider("p", kind=kind, base_url="http://host:1/v1")).provider for kind in KINDS}

    assert told == {
        "openai_compat": "openai_compat",  # anybody's: the vendor's name where it is known
        "anthropic": "anthropic",
        "openai_responses": "openai",
        "gemini": "gcp.gemini",
        "ollama": "ollama",
    }
