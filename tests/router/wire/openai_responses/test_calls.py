"""Free texts, commands and patches out of the arguments that a model wrote for a function (wire.md 10.2, R-68)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from router.wire.openai_responses.calls import arguments_of, call_fields, free_text
from router.wire.openai_responses.tools import Form, Named

PATCH = "*** Begin Patch\n*** End Patch"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"input":"*** Begin Patch\\n*** End Patch"}', PATCH),
        ('{"input":"a","more":"b"}', "a"),
        ('{"patch":"*** Begin Patch\\n*** End Patch"}', PATCH),
        ('{"patch":"a","count":2}', "a"),
        ("{'patch': 'a'}", "a"),
        ('{"patch":"a","other":"b"}', '{"patch":"a","other":"b"}'),
        ('{"input":5}', '{"input":5}'),
        ("{}", "{}"),
        (PATCH, PATCH),
        ('{"input":"*** Begin', '{"input":"*** Begin'),
    ],
)
def test_a_free_text_is_unwrapped_where_there_is_no_doubt(text: str, expected: str) -> None:
    assert free_text(text) == expected


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (
            Form.LOCAL_SHELL,
            '{"command":["ls"],"timeout_ms":5,"working_directory":"/a","x":1}',
            {"action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 5, "working_directory": "/a"}},
        ),
        (Form.LOCAL_SHELL, '{"command":"ls -l"}', {"action": {"type": "exec", "command": ["bash", "-lc", "ls -l"], "env": {}}}),
        (Form.LOCAL_SHELL, "ls", {"action": {"type": "exec", "command": [], "env": {}}}),
        (Form.SHELL, '{"commands":["a","b"],"timeout_ms":true}', {"action": {"commands": ["a", "b"]}}),
        (Form.SHELL, '{"command":"a"}', {"action": {"commands": ["a"]}}),
        (
            Form.APPLY_PATCH,
            '{"type":"create_file","path":"a","diff":"+x"}',
            {"operation": {"type": "create_file", "path": "a", "diff": "+x"}},
        ),
        (
            Form.APPLY_PATCH,
            '{"operation":{"type":"delete_file","path":"a"}}',
            {"operation": {"type": "delete_file", "path": "a"}},
        ),
        (Form.APPLY_PATCH, "x", {"operation": {"type": "update_file", "path": ""}}),
    ],
)
def test_a_call_has_the_fields_of_its_item(form: Form, text: str, expected: dict[str, Any]) -> None:
    assert call_fields(Named(name=form.value, form=form), text) == expected


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("item", [{}, {"arguments": 5, "input": 5, "action": 5, "operation": 5}, {"action": {"command": 5}}])
def test_items_of_any_shape_have_arguments(form: Form, item: dict[str, Any]) -> None:
    assert isinstance(arguments_of(item, form), dict)


@pytest.mark.parametrize("text", ["{" * 65_536, '{"input":"' + "\\" * 65_536, '{"a":"' + "x" * 65_536])
def test_hostile_arguments_are_read_in_linear_time(text: str) -> None:
    begun = time.perf_counter()

    free_text(text)

    assert time.perf_counter() - begun < 0.1
