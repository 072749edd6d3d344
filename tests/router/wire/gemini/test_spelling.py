"""Both spellings of the API's keys mean the same, and nothing that is the client's own is renamed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.wire.gemini.spelling import camel_cased

KEYS = st.sampled_from(["contents", "parts", "function_call", "functionCall", "tools", "generation_config", "args", "text"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def test_known_keys_are_renamed_where_the_api_has_them_and_nowhere_else() -> None:
    inner = {"function_call": {"mime_type": 1}}
    body = {
        "system_instruction": {"parts": [{"inline_data": {"mime_type": "a/b"}}]},
        "contents": [{"parts": [{"function_call": {"name": "f", "args": inner}, "thought_signature": "s"}]}],
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": inner}]}],
        "my_own": inner,
    }

    assert camel_cased(body) == {
        "systemInstruction": {"parts": [{"inlineData": {"mimeType": "a/b"}}]},
        "contents": [{"parts": [{"functionCall": {"name": "f", "args": inner}, "thoughtSignature": "s"}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": inner}]}],
        "my_own": inner,
    }


def test_camel_case_counts_where_both_are_there() -> None:
    assert camel_cased({"tool_config": 1, "toolConfig": 2}) == {"toolConfig": 2}
    assert camel_cased({"toolConfig": 2, "tool_config": 1}) == {"toolConfig": 2}


def test_a_body_with_nothing_to_rename_is_not_copied() -> None:
    body = {"contents": [{"parts": [{"text": "a_b"}]}], "labels": {"a_b": "c"}}

    assert camel_cased(body) is body


@given(body=st.dictionaries(KEYS, JSON, max_size=4))
def test_any_document_can_be_read_and_is_not_changed(body: dict[str, Any]) -> None:
    before = repr(body)

    once = camel_cased(body)

    assert camel_cased(once) == once
    assert repr(body) == before
