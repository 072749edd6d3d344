"""A profile that can ask nobody is warned about: each of its requests would be an error."""

from __future__ import annotations

import pytest

from router.config.schema import ConfigWarning
from tests.router.config.texts import read

URL = 'base_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
PAID = f'[[providers]]\nname = "paid"\npaid = true\n{URL}'
KEYED = f'[[providers]]\nname = "keyed"\napi_key_env = "SOME_KEY"\n{URL}'
OFF = f'[[providers]]\nname = "off"\nenabled = false\n{URL}'
HERE = f'[[providers]]\nname = "here"\n{URL}'


def about_profiles(*providers: str, chain: str, environ: dict[str, str] | None = None, routing: str = "") -> list[ConfigWarning]:
    text = "".join((routing, *providers)) + f'[[profiles]]\nname = "default"\nproviders = [{chain}]\n'
    return [warning for warning in read(text, environ=environ).warnings if warning.kind == "empty-profile"]


def test_it_is_told_with_each_providers_reason() -> None:
    (warning,) = about_profiles(PAID, KEYED, OFF, chain='"paid", "keyed", "off"')

    assert warning.path == "profiles[0].providers"
    assert warning.message == (
        "profile default has no usable provider: paid (paid-gate), keyed (missing-credential), off (disabled); "
        "its requests will fail"
    )


@pytest.mark.parametrize("other", ["paid", "keyed", "off"])
def test_one_provider_that_can_be_asked_is_enough(other: str) -> None:
    texts = {"paid": PAID, "keyed": KEYED, "off": OFF}

    assert about_profiles(texts[other], HERE, chain=f'"{other}", "here"') == []


def test_a_paid_provider_counts_where_paid_ones_are_allowed() -> None:
    assert about_profiles(PAID, chain='"paid"', routing="[routing]\nallow_paid = true\n") == []


def test_a_key_that_is_there_makes_its_provider_count() -> None:
    assert about_profiles(KEYED, chain='"keyed"', environ={"SOME_KEY": "key-12345678"}) == []
