"""Values at single paths of a configuration: nothing else of the text changes."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.document import at
from router.config.edit import with_settings
from router.config.locate import KeyPath

TEXT = """\
# top
[server]
port = 8088

[[providers]]  # first
name = "a"   # the name
base_url = "http://x/v2" # url
output_filters = [
    "strip_thinking",  # it thinks aloud
]

# about b
[[providers]]
name = "b"
capabilities = { chat = true }

[[providers]]
base_url = "http://c"
[providers.capabilities]
vision = true
"""


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("providers", 0, "base_url"), "http://x/v1", 'base_url = "http://x/v2" # url', 'base_url = "http://x/v1" # url'),
        (("server", "port"), 8089, "port = 8088", "port = 8089"),
        (("providers", 0, "timeout_s"), 60.0, "# the name\n", "# the name\ntimeout_s = 60.0\n"),
        (("providers", 0, "capabilities", "tools"), False, "# the name\n", "# the name\ncapabilities.tools = false\n"),
        (("providers", 1, "capabilities", "tools"), True, "{ chat = true }", "{ chat = true, tools = true}"),
        (
            ("providers", 2, "capabilities", "tools"),
            True,
            "[providers.capabilities]\n",
            "[providers.capabilities]\ntools = true\n",
        ),
        (
            ("providers", 2, "model"),
            "m",
            '[[providers]]\nbase_url = "http://c"',
            '[[providers]]\nmodel = "m"\nbase_url = "http://c"',
        ),
    ],
)
def test_one_value_changes_one_line(path: KeyPath, value: object, old: str, new: str) -> None:
    assert with_settings(TEXT, {path: value}) == TEXT.replace(old, new, 1)


TANGLED = """\
[[providers]]
name = "mid"
timeout_s = 1
[[profiles]]
name = "coding"
providers = [ "mid" ]

[[providers]]
name="me"   # one more
[providers.extra_body.options]
seed = 0x10
[[profiles]]
name = "loop"
"""


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("providers", 0, "timeout_s"), 30.0, "timeout_s = 1", "timeout_s = 30.0"),
        (("providers", 1, "model"), "m", "# one more\n", '# one more\nmodel = "m"\n'),
        (("providers", 1, "extra_body", "keep"), True, "# one more\n", "# one more\nextra_body.keep = true\n"),
        (("profiles", 0, "providers"), ["mid", "me"], '[ "mid" ]', '[ "mid", "me" ]'),
        (("providers", 1, "extra_body", "options", "seed"), 3, "0x10", "3"),
    ],
)
def test_tables_of_two_kinds_in_turns_keep_their_order(path: KeyPath, value: object, old: str, new: str) -> None:
    assert with_settings(TANGLED, {path: value}) == TANGLED.replace(old, new, 1)


def test_a_list_takes_the_place_of_a_list() -> None:
    changed = with_settings(TEXT, {("providers", 0, "output_filters"): ["strip_thinking", "strip_stop_markers"]})

    assert tomllib.loads(changed)["providers"][0]["output_filters"] == ["strip_thinking", "strip_stop_markers"]
    assert changed.startswith(TEXT[: TEXT.index("output_filters")])
    assert changed.endswith(TEXT[TEXT.index("\n# about b") :])


def test_tables_that_are_missing_are_made() -> None:
    path = ("providers", 1, "extra_body", "options", "num_predict")

    assert tomllib.loads(with_settings(TEXT, {path: 4096}))["providers"][1]["extra_body"] == {"options": {"num_predict": 4096}}


def test_an_equal_value_keeps_its_spelling() -> None:
    text = "[server]\nport = 8_088\n"

    assert with_settings(text, {("server", "port"): 8088}) is text


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [("1", True, "true"), ("true", 1, "1"), ("1", 1.0, "1.0"), ("[1]", [True], "[true]"), ("{ b = 1 }", {"b": 1.0}, "{b = 1.0}")],
)
def test_a_value_that_python_alone_calls_equal_is_another_one(old: str, value: object, new: str) -> None:
    changed = with_settings(f"a = {old} # kept\n", {("a",): value})

    assert changed == f"a = {new} # kept\n"
    assert with_settings(changed, {("a",): value}) is changed


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_line_that_comes_in_ends_as_its_neighbours_do(ending: str) -> None:
    text = f'[[providers]]{ending}name = "a"{ending}model = "m"{ending}'

    changed = with_settings(text, {("providers", 0, "timeout_s"): 60.0})

    assert changed == f'[[providers]]{ending}name = "a"{ending}timeout_s = 60.0{ending}model = "m"{ending}'


def test_a_file_without_a_last_line_end_gets_one() -> None:
    assert (
        with_settings('[[providers]]\nname = "a"', {("providers", 0, "model"): "m"}) == '[[providers]]\nname = "a"\nmodel = "m"\n'
    )


def test_providers_in_one_line_are_changed_there() -> None:
    changed = with_settings('providers = [{ name = "a" }]\n', {("providers", 0, "capabilities", "tools"): True})

    assert tomllib.loads(changed) == {"providers": [{"name": "a", "capabilities": {"tools": True}}]}


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("x = [", ("a",), "is not TOML"),
        ('name = "a"\n', ("name", "x"), "add it by hand"),
        (TEXT, ("providers", 7, "x"), "providers"),
    ],
)
def test_what_cannot_be_changed_is_said(text: str, path: KeyPath, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        with_settings(text, {path: 1})


VALUES = st.one_of(
    st.booleans(), st.integers(0, 10**9), st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Z"]), max_size=20)
)
PLACES = st.sampled_from(
    [
        (*holder, key)
        for holder in [("server",), ("providers", 0), ("providers", 1), ("providers", 2, "capabilities")]
        for key in ("k", "base_url", "port", "q-r")
    ]
)


@given(values=st.dictionaries(PLACES, VALUES, max_size=5))
def test_the_result_says_what_was_asked_for_and_keeps_every_comment(values: dict[KeyPath, object]) -> None:
    changed = with_settings(TEXT, values)

    said = tomllib.loads(changed)
    for (*holders, last), value in values.items():
        assert at(said, (*holders, last)) == value
    assert all(comment in changed for comment in ("# top", "# first", "# the name", "# it thinks aloud", "# about b"))
    assert with_settings(changed, values) == changed
