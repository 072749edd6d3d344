from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.redact import LiveRedactor, Redactor, cut_word
from router.config.schema import Secret


def test_a_known_value_is_masked_wherever_it_stands() -> None:
    redactor = Redactor.of([Secret("sk-12345678"), Secret("other-secret")])

    assert redactor.redact("key=sk-12345678&x; sk-12345678, other-secret") == "key=***&x; ***, ***"


def test_a_value_of_fewer_than_8_characters_is_a_word() -> None:
    assert Redactor.of([Secret("sevenss")]).redact("sevenss") == "sevenss"
    assert Redactor.of([Secret("eight888")]).redact("eight888") == "***"


def test_without_secrets_the_text_is_the_same_object() -> None:
    text = "anything"

    assert Redactor.of([]).redact(text) is text


STRANGE = "sk-ant-api03-0123456789abcdef"  # no configuration names it


@pytest.mark.parametrize("redact", [Redactor.of([]).redact, Redactor.of([Secret("any-secret")]).redact, LiveRedactor().redact])
def test_what_looks_like_a_key_is_masked_though_nobody_knows_it(redact: Callable[[str], str]) -> None:
    assert redact(f'{{"error":"wrong key {STRANGE}"}}') == '{"error":"wrong key ***"}'


def test_a_known_value_goes_before_what_looks_like_a_key() -> None:
    redactor = Redactor.of([Secret("sk-0123456789abcdef/with.more")])

    assert redactor.redact("sk-0123456789abcdef/with.more") == "***"


@pytest.mark.parametrize("secrets", [["half-a-\udcffsecret"], ["\udcff-secret-that-begins-so"], [f"{n:08}" for n in range(2000)]])
def test_secrets_that_cannot_be_looked_for_at_once_are_masked_all_the_same(secrets: list[str]) -> None:
    redactor = Redactor.of(map(Secret, secrets))

    assert [redactor.redact(f"is {secret}.") for secret in secrets] == ["is ***."] * len(secrets)


def test_a_text_that_cannot_be_written_is_searched_as_well() -> None:
    assert Redactor.of([Secret("plain-key-4711")]).redact(f"\udcff plain-key-4711 {STRANGE}") == "\udcff *** ***"


@pytest.mark.parametrize("at", range(180, 205))
def test_a_word_is_masked_before_it_is_cut(at: int) -> None:
    redact = Redactor.of([Secret("plain-key-4711")]).redact

    assert cut_word("m" * at + "plain-key-4711" + "m" * 300, redact) == f"{'m' * at}***{'m' * 300}"[:200]


def test_of_two_that_begin_alike_the_longer_is_masked_whole() -> None:
    redactor = Redactor.of([Secret("sk-12345678"), Secret("sk-12345678-and-more")])

    assert redactor.redact("sk-12345678-and-more") == "***"


@pytest.mark.parametrize("secret", ['with "quotes" and \\', "with spaces/and+signs", "mit Umlauten äöü"])
def test_the_forms_of_json_and_of_a_url_are_known(secret: str) -> None:
    redactor = Redactor.of([Secret(secret)])

    assert redactor.redact(json.dumps({"a": secret})) == '{"a": "***"}'
    assert redactor.redact(json.dumps({"a": secret}, ensure_ascii=False)) == '{"a": "***"}'
    assert redactor.redact(f"?key={quote(secret, safe='')}") == "?key=***"


def test_the_redactor_itself_does_not_tell() -> None:
    assert "sk-12345678" not in repr(Redactor.of([Secret("sk-12345678")]))


@given(st.lists(st.text(min_size=8, max_size=12), min_size=1, max_size=4), st.text(), st.text())
def test_no_secret_is_left_in_any_text(values: list[str], before: str, after: str) -> None:
    redactor = Redactor.of(map(Secret, values))

    for value in values:
        assert value not in redactor.redact(before + value + after).replace("***", "\0")


def test_a_live_one_learns_the_secrets_of_a_reload_and_forgets_none() -> None:
    live = LiveRedactor()
    live.learn([Secret("first-secret")])
    live.learn([Secret("second-secret")])

    assert live.redact("first-secret second-secret") == "*** ***"
    assert "secret" not in repr(live)
