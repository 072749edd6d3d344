from __future__ import annotations

import tomllib

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from router.config.edit import over, with_values

KEYS = st.sampled_from(("a", "r", "t", "x", "other", "a key"))
VALUES = {"a": 1, "t": {"r": {"x": "y"}}}


def test_a_new_text_has_the_values_and_nothing_else() -> None:
    assert with_values("", VALUES) == 'a = 1\n\n[t.r]\nx = "y"\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "a = 1 # kept\n",
        "[other]\nb = 2 # kept\n",
        "[t]\nz = 1\n\n[other]\nb = 2\n\n[t.s]\nq = 1\n",  # a table in two places
        "[t.r]\nx = 'old' # kept\nmore = true\n",
        "t = { s = { q = 1 } }\n",
        "[[other]]\nb = 1\n[[other]]\nb = 2\n",
        "a = 'x'\nb = '''\nmany\nlines'''\n",
    ],
)
def test_every_text_gets_the_values_and_keeps_the_rest(text: str) -> None:
    before = tomllib.loads(text)

    after = with_values(text, VALUES)

    read = tomllib.loads(after)
    assert read["a"] == 1
    assert read["t"]["r"]["x"] == "y"
    assert {key: value for key, value in read.items() if key not in VALUES} == {
        k: v for k, v in before.items() if k not in VALUES
    }
    assert {key: read["t"][key] for key in before.get("t", {}) if key != "r"} == {
        k: v for k, v in before.get("t", {}).items() if k != "r"
    }
    assert after.count("# kept") == text.count("# kept")
    assert with_values(after, VALUES) == after


def test_a_text_that_is_no_toml_is_refused() -> None:
    with pytest.raises(ValueError, match="is not TOML: "):
        with_values("a = [", VALUES)


def test_a_text_that_would_say_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="put the lines in by hand"):
        with_values("t.s.q = 1\n", VALUES)


@given(
    st.recursive(
        st.integers(0, 9) | st.booleans() | st.text("ab \n'\"", max_size=3),
        lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    )
)
def test_whatever_comes_out_says_what_was_asked(old: object) -> None:
    text = tomlkit.dumps(old) if isinstance(old, dict) else ""

    after = tomllib.loads(with_values(text, VALUES))

    assert after == over(tomllib.loads(text), VALUES)
