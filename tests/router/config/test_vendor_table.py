"""The vendor table: whole, cited, and a default for keys that the user's file is silent on."""

from __future__ import annotations

from typing import get_args

import pytest

from router.config.schema import ProviderConfig
from router.config.schema_provider import VendorName
from router.config.vendor_table import MAY_SET, Subject, Vendor, parse_vendors, read_vendors, vendor_of, vendor_use
from router.errors import ConfigError
from tests.router.config.texts import SMALL, read, warned
from tests.router.config.vendor_pages import vendor_pages, written_pages

VENDORS = list(read_vendors().values())


def provider(text: str) -> ProviderConfig:
    return read(SMALL.replace('model = "m"', f'model = "m"\n{text}')).config.providers[0]


def at(base_url: str, **keys: object) -> ProviderConfig:
    return ProviderConfig(name="p", base_url=base_url, model="m", **keys)  # type: ignore[arg-type]  # the keys of a test


def test_the_words_of_the_key_are_the_rows_of_the_table() -> None:
    assert get_args(VendorName) == ("auto", "none", *sorted(read_vendors()))


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_row_says_something_of_every_subject_if_only_that_nothing_was_found(vendor: Vendor) -> None:
    assert {fact.about for fact in vendor.facts} == set(get_args(Subject))


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_every_default_follows_from_a_fact_that_is_cited(vendor: Vendor) -> None:
    cited = {key for fact in vendor.facts if fact.url for key in fact.sets}

    assert set(vendor.defaults) == cited
    assert [fact for fact in vendor.facts if (fact.url is None) is not (fact.source is None)] == []
    assert [fact for fact in vendor.facts if fact.sets and fact.url is None] == []


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_row_can_be_reached_by_its_host_or_has_the_port_that_hints_at_it(vendor: Vendor) -> None:
    assert bool(vendor.hosts) is not bool(vendor.ports)


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.deepseek.com", "deepseek"),
        ("https://API.DeepSeek.com/v1", "deepseek"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://mine.openai.azure.com/openai/deployments/d?api-version=1", "azure"),
        ("https://openai.azure.com", None),
        ("https://api.deepseek.com.evil.example", None),
        ("http://127.0.0.1:8000/v1", None),  # a port is a hint for who writes the file
    ],
)
def test_a_provider_goes_by_the_row_of_its_host(base_url: str, name: str | None) -> None:
    vendor = vendor_of(at(base_url))

    assert (vendor and vendor.name) == name


def test_a_row_is_named_or_switched_off_by_the_key() -> None:
    named = vendor_of(at("http://127.0.0.1:8000/v1", vendor="vllm"))

    assert named is not None
    assert named.name == "vllm"
    assert vendor_of(at("https://api.groq.com/openai/v1", vendor="none")) is None
    assert vendor_of(at("https://api.deepseek.com/anthropic", kind="anthropic")) is None


def test_defaults_stand_in_for_what_the_file_does_not_say_and_never_for_what_it_does() -> None:
    found = provider('vendor = "mistral"\ndrop_fields = ["user"]\nrename_fields = {}')

    assert found.drop_fields == ("user",)
    assert found.rename_fields == {}
    assert found.call_ids == "mistral"
    assert "reasoning_content" in found.drop_message_fields


def test_what_the_file_adds_to_each_body_is_not_taken_out_again_by_a_default() -> None:
    found = provider('vendor = "mistral"\nextra_body = { stream_options = {}, new_field = 1, top_p = 0.5 }')
    use = vendor_use(found)

    assert found.drop_fields == ()
    assert found.allow_fields is not None
    assert found.allow_fields[-2:] == ("stream_options", "new_field")
    assert found.allow_fields.count("top_p") == 1
    assert use is not None
    assert use.own == ()


def test_what_the_command_line_sets_counts_as_said() -> None:
    text = SMALL.replace('model = "m"', 'model = "m"\nvendor = "mistral"')

    assert read(text, "providers.0.call_ids=any").config.providers[0].call_ids == "any"


def test_a_default_of_the_table_is_no_mistake_of_the_user() -> None:
    text = SMALL.replace('model = "m"', 'model = "m"\nvendor = "vllm"')

    assert warned(text) == []
    assert read(text).config.providers[0].prefill_style == "vllm"


def test_it_can_be_told_which_keys_are_the_vendors_and_which_the_users() -> None:
    use = vendor_use(provider('vendor = "groq"\ndrop_fields = ["n"]'))

    assert use is not None
    assert (use.vendor.name, use.taken, use.own) == ("groq", ("drop_message_fields",), ("drop_fields",))
    assert vendor_use(provider('vendor = "none"')) is None


def test_a_word_that_is_no_vendor_is_a_mistake_with_a_guess() -> None:
    with pytest.raises(ConfigError, match="did you mean mistral"):
        provider('vendor = "mistrall"')


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("defaults = { paid = true }", "x.defaults.paid: cannot be set by a vendor"),
        ('defaults = { call_ids = "short" }', "x.defaults.call_ids: 'short' is not one of any, mistral"),
        ('facts = [{ about = "weather", says = "x" }]', "vendors[0].facts[0].about"),
        ("host = 1", "vendors[0].host: unknown key"),
        ("name = 1", "Cannot overwrite"),
    ],
)
def test_a_broken_table_names_its_mistakes(row: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_vendors(f'[[vendors]]\nname = "x"\ntitle = "X"\n{row}\n', "vendors.toml")

    assert said in "; ".join(f"{mistake.path}: {mistake.message}" for mistake in caught.value.mistakes)


def test_a_row_may_set_only_keys_that_a_provider_has() -> None:
    ours = at("http://h")

    assert [key for key in MAY_SET if not hasattr(ours, key)] == []


def test_the_document_has_the_rows_of_the_table() -> None:
    assert written_pages() == vendor_pages(), "run python -m tests.router.config.vendor_pages"
