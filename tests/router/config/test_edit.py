from __future__ import annotations

import tomllib

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from router.config.edit import over, with_settings, with_values

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
    with pytest.raises(ValueError, match="add it by hand"):
        with_values("never = nan\n", VALUES)  # equal to nothing, itself included


def test_keys_that_are_written_with_dots_are_added_to() -> None:
    assert with_values("t.s.q = 1 # kept\n", {"t": {"r": {"x": "y"}}}) == 't.s.q = 1 # kept\n\n[t.r]\nx = "y"\n'


TANGLED = """\
# mine
[[mcp]]
name = "one"
[projects."/home/a"]
trust = 'yes'   # spelled so
[[other]]
b = 1
[[mcp]]
name = "two"
[model_providers.mine]
name = "x"
"""


def test_tables_that_stand_between_others_stay_where_they_are() -> None:
    values = {"model": "m", "model_providers": {"router": {"name": "r", "base_url": "u"}}}

    after = with_values(TANGLED, values)

    assert after == f'model = "m"\n\n{TANGLED}\n[model_providers.router]\nname = "r"\nbase_url = "u"\n'
    assert with_values(after, values) == after


def test_what_is_taken_out_takes_its_line_and_nothing_else() -> None:
    text = with_values(TANGLED.replace("trust", "own = 1 # gone\ntrust"), {}, without=[("projects", "/home/a", "own")])

    assert text == TANGLED


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


LIST = """\
[[providers]]
output_filters = [
  # those of the model
  "x", # because of x
  "gone", # because of it
  # the last
  "z",   # because of z
] # all of them
"""


@pytest.mark.parametrize("members", [["x", "z", "new"], ["new", "x", "z"], ["x", "new", "z"]])
def test_the_comments_of_the_members_that_stay_stay(members: list[str]) -> None:
    after = with_settings(LIST, {("providers", 0, "output_filters"): members})

    comments = [line.partition("#")[2] for line in after.splitlines() if "#" in line]
    assert tomllib.loads(after)["providers"][0]["output_filters"] == members
    assert set(comments) == {" those of the model", " because of x", " the last", " because of z", " all of them"}
    assert '"x", # because of x' in after


def test_a_list_that_grows_keeps_every_line_that_it_had() -> None:
    after = with_settings(LIST, {("providers", 0, "output_filters"): ["x", "gone", "z", "new"]})

    assert [line for line in LIST.splitlines() if line not in after.splitlines()] == []


@pytest.mark.parametrize("members", [["new"], ["new", "newer", "newest"], ["x", "new"], []])
def test_a_list_in_lines_that_end_as_those_of_windows_ends_them_so(members: list[str]) -> None:
    text = '[t]\r\nl = [\r\n  "x",\r\n  "y",\r\n] # all of them\r\n'

    after = with_settings(text, {("t", "l"): members})

    assert tomllib.loads(after) == {"t": {"l": members}}
    assert "\n" not in after.replace("\r\n", "")


MEMBERS = st.lists(st.sampled_from(("a", "b", "c", 1, True)), max_size=5)


@given(old=MEMBERS, new=MEMBERS, is_long=st.booleans(), has_comma=st.booleans())
def test_whatever_list_takes_the_place_of_a_list_it_says_what_was_asked(
    *, old: list[object], new: list[object], is_long: bool, has_comma: bool
) -> None:
    words = [str(tomlkit.item(one).as_string()) for one in old]
    lines = [
        f"  {word}{',' if has_comma or left else ''} # {word}\n" for left, word in zip(range(len(old))[::-1], words, strict=True)
    ]
    text = f"[t]\nl = [\n{''.join(lines)}] # end\n" if is_long else f"[t]\nl = [{', '.join(words)}] # end\n"

    after = with_settings(text, {("t", "l"): new})

    assert tomllib.loads(after) == {"t": {"l": new}}
    assert after.rstrip().endswith("# end")
