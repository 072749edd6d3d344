"""Reasoning that comes back as what it was, through clients that cannot read it (wire.md 13, R-73)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from zlib import compress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import Thinking, ThinkingOrigin, ToolUse
from router.wire.openai_responses.sealed import (
    MAX_TEXT_BYTES,
    openai_content,
    openai_signature,
    seal,
    seal_call,
    unseal,
    unseal_call,
)
from router.wire.reasoning import is_router_signature, router_signature
from tests.router.wire.openai_responses.bodies import blocks, call, to_messages

TEXTS = st.text(st.characters(codec="utf-8"))


@given(text=TEXTS, provider=st.text(max_size=5))
def test_our_own_reasoning_comes_back_with_its_text(text: str, provider: str) -> None:
    signature = router_signature(provider, text)

    found = unseal(seal(text=text, signature=signature), "p")

    assert found == Thinking(text=text, signature=signature, origin=ThinkingOrigin.ROUTER)


@given(text=TEXTS, signature=st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_vendors_signature_comes_back_with_the_text_that_it_signs(text: str, signature: str) -> None:
    sealed = seal(text=text, signature="E" + signature)

    assert is_router_signature(sealed)
    assert unseal(sealed, "p") == Thinking(text=text, signature="E" + signature, origin=ThinkingOrigin.ANTHROPIC)


def test_hidden_reasoning_comes_back_hidden() -> None:
    assert unseal(seal(text="", signature="", redacted="data"), "p") == Thinking(redacted="data")


def test_what_openai_encrypted_is_marked_as_ours_for_everybody_else() -> None:
    signature = openai_signature("gAAAA.x")

    assert is_router_signature(signature)
    assert openai_content(signature) == "gAAAA.x"
    assert openai_content("gAAAA") is None
    assert openai_content(None) is None


def packed(data: bytes) -> str:
    return urlsafe_b64encode(compress(data)).decode()


MARKED = st.text().map(lambda text: "rtr1." + text) | st.binary().map(lambda data: "rtr1.vendor." + packed(data))


@given(content=st.text() | MARKED)
def test_anything_can_be_looked_into(content: str) -> None:
    unseal(content, "p")


@pytest.mark.parametrize(
    "content",
    ["gAAAA", "rtr1.", "rtr1.abc", "rtr1.vendor.!!", "rtr1.vendor." + packed(b"[]"), "rtr1.vendor." + packed(b'{"text":"a"}')],
)
def test_what_was_not_sealed_here_is_not_opened(content: str) -> None:
    assert unseal(content, "p") is None


def test_what_unpacks_to_more_than_anybody_said_is_not_opened() -> None:
    assert unseal("rtr1.AAAA." + packed(b"\0" * (MAX_TEXT_BYTES + 1)), "p") is None


def test_reasoning_of_another_vendor_goes_back_to_it_from_a_responses_client() -> None:
    thought = {"type": "reasoning", "summary": [], "encrypted_content": seal(text="hm", signature="EqQB")}
    said = {"type": "message", "role": "assistant", "content": "b"}

    sent = to_messages(thought, said, {"role": "user", "content": "c"}).body["messages"]

    assert sent[1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "EqQB"}


@given(call_id=st.text(st.characters(codec="utf-8"), min_size=1), signature=st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_calls_signature_comes_back_by_the_calls_id(call_id: str, signature: str) -> None:
    sealed = seal_call(call_id, signature)

    assert is_router_signature(sealed)
    assert unseal_call(sealed) == (call_id, signature)


@given(content=st.text() | MARKED | st.binary().map(lambda data: "rtr1.call." + packed(data)))
def test_anything_can_be_looked_into_for_a_call(content: str) -> None:
    unseal_call(content)


def test_a_calls_signature_is_the_calls_again_and_no_reasoning() -> None:
    held = {"type": "reasoning", "summary": [], "encrypted_content": seal_call("call_1", "sig")}

    assert blocks(held, call()) == [ToolUse(id="call_1", name="shell", signature="sig")]
    assert blocks(held) == []


def test_our_reasoning_is_read_from_a_responses_client() -> None:
    signature = router_signature("local", "hm")

    (found,) = blocks({"type": "reasoning", "summary": [], "encrypted_content": seal(text="hm", signature=signature)})

    assert found == Thinking(text="hm", signature=signature, origin=ThinkingOrigin.ROUTER)
