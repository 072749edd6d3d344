from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.redact import LiveRedactor, Redactor
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
