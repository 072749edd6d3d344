from __future__ import annotations

import orjson
import pytest

from router.providers.remedies import (
    DropBetas,
    DropField,
    DropThinking,
    RefusedFeatures,
    Remedy,
    RenameField,
    find_remedy,
)
from router.wire.error_body import ErrorText, read_error

FIELDS = ("model", "messages", "max_tokens", "stream_options", "context_management", "foo", "thinking", "tools")
BETAS = ("context-1m-2025-08-07", "interleaved-thinking-2025-05-14")


def remedy(text: str, *, status: int = 400, param: str | None = None) -> Remedy | None:
    return find_remedy(status, ErrorText(text=text, param=param), fields=FIELDS, betas=BETAS)


def test_reasoning_that_a_vendor_cannot_open_is_taken_out() -> None:
    text = ErrorText(text="The encrypted content gAAA could not be verified.", words=frozenset({"invalid_encrypted_content"}))

    assert find_remedy(400, text, fields={"input"}, betas=()) == DropThinking()


def test_a_foreign_signature_takes_the_thinking_of_earlier_turns_out() -> None:
    assert remedy("messages.1.content.0: Invalid `signature` in `thinking` block") == DropThinking()


def test_a_flag_that_the_upstream_names_is_left_out_and_no_other() -> None:
    found = remedy("Unexpected value(s) `context-1m-2025-08-07` for the `anthropic-beta` header.")

    assert found == DropBetas(frozenset({"context-1m-2025-08-07"}))


def test_a_model_without_reasoning_is_not_asked_for_what_it_refuses() -> None:
    text = ErrorText(text="Encrypted content is not supported with this model.", param="include")

    assert find_remedy(400, text, fields=("model", "input", "include"), betas=()) == DropField("include")


def test_reasoning_that_openai_cannot_open_is_taken_out_too() -> None:
    body = {
        "error": {
            "message": "The encrypted content gAAA...ng== could not be verified.",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_encrypted_content",
        }
    }

    assert find_remedy(400, read_error(orjson.dumps(body)), fields=("model", "input"), betas=()) == DropThinking()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("context_management: Extra inputs are not permitted", "context_management"),
        ("Unknown parameter: 'foo'.", "foo"),
        ("Unrecognized request argument supplied: foo", "foo"),
        ("property 'foo' is unsupported", "foo"),
        ("extraneous key [foo] is not permitted", "foo"),
        ("Argument not supported on this model: foo", "foo"),
        ("`thinking` is not supported on this model", "thinking"),
        ('Invalid JSON payload received. Unknown name "foo": Cannot find field.', "foo"),
    ],
)
def test_a_field_that_the_upstream_names_is_left_out(text: str, name: str) -> None:
    assert remedy(text) == DropField(name)
    assert remedy(text, status=422) == DropField(name)


def test_an_ollama_whose_model_cannot_think_is_not_asked_to() -> None:
    error = read_error(b'{"error":"\\"gemma3:270m\\" does not support thinking"}')

    assert find_remedy(400, error, fields=("model", "think"), betas=()) == DropField("think")
    assert find_remedy(400, error, fields=FIELDS, betas=()) is None


def test_the_place_of_a_validation_error_names_the_field() -> None:
    error = read_error(
        b'{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}'
    )

    assert find_remedy(422, error, fields=FIELDS, betas=()) == DropField("stream_options")


def test_a_field_with_another_name_is_renamed() -> None:
    text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."

    assert remedy(text, param="max_tokens") == RenameField("max_tokens", "max_completion_tokens")


@pytest.mark.parametrize(
    "text",
    [
        "Unknown parameter: 'tools'.",  # the answer would be one to another question
        "Unknown parameter: 'bar'.",  # not in what was sent
        "tools.0.custom.strict: Extra inputs are not permitted",  # inside a field
        "messages: at least one message is required",
        "invalid beta flag",  # not named
        "prompt is too long: 5 tokens > 4 maximum",
    ],
)
def test_nothing_is_changed_that_was_not_named_or_must_stay(text: str) -> None:
    assert remedy(text) is None


@pytest.mark.parametrize("status", [401, 404, 413, 429, 500, 529])
def test_only_a_refused_request_is_repeated(status: int) -> None:
    assert remedy("Unknown parameter: 'foo'.", status=status) is None


def test_what_was_refused_is_remembered_once() -> None:
    refused = RefusedFeatures()

    assert refused.remember(DropBetas(frozenset(BETAS))) == tuple(sorted(BETAS))
    assert refused.remember(DropBetas(frozenset(BETAS))) == ()
    assert refused.remember(DropField("foo")) == ("foo",)
    assert refused.remember(DropField("foo")) == ()
    assert refused.remember(RenameField("a", "b")) == ("a",)
    assert refused.remember(RenameField("a", "b")) == ()
    assert refused.remember(DropThinking()) == ()
    assert (refused.betas, refused.fields, refused.renames) == (set(BETAS), {"foo"}, {"a": "b"})
