from __future__ import annotations

from router.domain.messages import Message, Role, Text, ToolResult, ToolUse
from router.domain.request import DialectName, NeutralRequest
from router.routing.signatures import MAX_KNOWN, CallSignatures


def asking(*calls: ToolUse) -> NeutralRequest:
    results = tuple(ToolResult(call_id=call.id) for call in calls)
    messages = (
        Message(role=Role.USER, content=(Text("go"),)),
        Message(role=Role.ASSISTANT, content=calls),
        Message(role=Role.USER, content=results),
    )
    return NeutralRequest(dialect=DialectName.ANTHROPIC, messages=messages)


def signatures_in(request: NeutralRequest) -> list[str]:
    return [block.signature for message in request.messages for block in message.content if isinstance(block, ToolUse)]


def test_what_a_vendor_signed_goes_back_with_its_call() -> None:
    known = CallSignatures()
    known.remember("call_1", "ls", "sig one")
    known.remember("call_2", "cat", "sig two")

    request = known.put_back(asking(ToolUse(id="call_2", name="cat"), ToolUse(id="call_3", name="ls")))

    assert signatures_in(request) == ["sig two", ""]


def test_a_call_of_the_same_id_and_another_name_is_another() -> None:
    known = CallSignatures()
    known.remember("0", "ls", "sig")

    assert signatures_in(known.put_back(asking(ToolUse(id="0", name="cat")))) == [""]


def test_a_signature_that_the_client_carries_itself_stays() -> None:
    known = CallSignatures()
    known.remember("call_1", "ls", "ours")

    request = asking(ToolUse(id="call_1", name="ls", signature="theirs"))

    assert known.put_back(request) is request


def test_a_request_without_known_calls_is_the_same_value() -> None:
    known = CallSignatures()
    request = asking(ToolUse(id="call_1", name="ls"))
    assert known.put_back(request) is request

    known.remember("other", "ls", "sig")
    known.remember("", "ls", "sig")

    assert known.put_back(request) is request


def test_the_memory_is_bounded() -> None:
    known = CallSignatures()
    for number in range(MAX_KNOWN + 1):
        known.remember(f"call_{number}", "ls", "sig")

    oldest, newest = ToolUse(id="call_0", name="ls"), ToolUse(id=f"call_{MAX_KNOWN}", name="ls")

    assert signatures_in(known.put_back(asking(oldest, newest))) == ["", "sig"]
