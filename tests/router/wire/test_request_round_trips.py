"""Requests through the neutral form and back, and bodies of any shape (wire.md 24 rows 5 and 12)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from router.domain.messages import (
    Block,
    ChoiceMode,
    Document,
    Image,
    Message,
    Role,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from router.domain.request import DialectName, NeutralRequest, OutputSchema, ThinkingMode
from router.errors import InvalidRequest
from router.wire.anthropic import request as anthropic
from router.wire.dialect import UpstreamTarget
from router.wire.gemini import request as gemini
from router.wire.openai_chat import request as openai_chat
from tests.router.wire.request_rules import assert_chat_rules, assert_messages_rules
from tests.vectors import load, names

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda text: text.strip() != "")
IDS = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
NAMES = st.one_of(IDS, st.text(min_size=1, max_size=80))
ARGUMENTS = st.dictionaries(WORDS, st.one_of(WORDS, st.integers(-1000, 1000), st.booleans(), st.none()), max_size=3)
SCHEMAS = st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(IDS, st.just({}), max_size=3)})
IMAGES = st.one_of(
    st.builds(Image, media_type=st.just("image/png"), data=st.just("QUJD")),
    st.builds(Image, url=st.just("https://example.test/a.png")),
)
DOCUMENTS = st.one_of(
    st.builds(Document, title=WORDS, media_type=st.just("text/plain"), text=WORDS),
    st.builds(Document, title=WORDS, media_type=st.just("application/pdf"), data=st.just("JVBE")),
)
THINKING = st.one_of(
    st.builds(Thinking, text=WORDS, signature=st.just("c2ln")), st.builds(Thinking, redacted=st.just("b3BhcXVl"))
)
TOOLS = st.lists(st.builds(Tool, name=NAMES, description=st.one_of(st.none(), WORDS), schema=SCHEMAS), max_size=3)


@st.composite
def conversations(draw: Callable[..., Any], *, is_chat: bool) -> tuple[Message, ...]:
    """Draw turns that begin and end with the user, every call answered, as far as the dialect can say it."""
    messages: list[Message] = [Message(role=Role.USER, content=(Text(draw(WORDS)),))]
    for turn in range(draw(st.integers(0, 3))):
        calls = tuple(
            ToolUse(id=f"{draw(IDS)}_{turn}_{n}", name=draw(NAMES), input=draw(ARGUMENTS)) for n in range(draw(st.integers(0, 3)))
        )
        texts: tuple[Block, ...] = (Text(draw(WORDS)),) if not calls or draw(st.booleans()) else ()
        thoughts = () if is_chat else tuple(draw(st.lists(THINKING, max_size=2)))
        messages.append(Message(role=Role.ASSISTANT, content=thoughts + texts + calls))
        results = tuple(draw(_results(call, is_chat=is_chat)) for call in calls)
        media = st.one_of(IMAGES) if is_chat else st.one_of(IMAGES, DOCUMENTS)
        said: tuple[Block, ...] = (
            (Text(draw(WORDS)), *draw(st.lists(media, max_size=2))) if not calls or draw(st.booleans()) else ()
        )
        if is_chat:  # a tool message each
            messages += [Message(role=Role.USER, content=(result,)) for result in results]
            messages += [Message(role=Role.USER, content=said)] if said else []
        else:
            messages.append(Message(role=Role.USER, content=results + said))
    return tuple(messages)


@st.composite
def _results(draw: Callable[..., Any], call: ToolUse, *, is_chat: bool) -> ToolResult:
    content = (Text(draw(WORDS)),) if draw(st.booleans()) else ()
    if is_chat:
        return ToolResult(call_id=call.id, content=content)
    content += tuple(draw(st.lists(IMAGES, max_size=1)))
    return ToolResult(call_id=call.id, content=content, is_error=draw(st.booleans()))


@st.composite
def requests(draw: Callable[..., Any], dialect: DialectName) -> NeutralRequest:
    is_chat = dialect is DialectName.OPENAI_CHAT
    tools = tuple(draw(TOOLS))
    modes = [ChoiceMode.AUTO, ChoiceMode.REQUIRED, ChoiceMode.NONE]
    choice = draw(st.one_of(st.none(), st.sampled_from(modes).map(lambda mode: ToolChoice(mode=mode)))) if tools else None
    if tools and draw(st.booleans()):
        choice = ToolChoice(mode=ChoiceMode.NAMED, name=tools[0].name)
    return NeutralRequest(
        dialect=dialect,
        model="m",
        system=tuple(draw(st.lists(WORDS, max_size=1))),
        messages=draw(conversations(is_chat=is_chat)),
        tools=tools,
        tool_choice=choice,
        max_tokens=draw(st.integers(1, 10_000)),
        temperature=draw(st.one_of(st.none(), st.floats(0, 1))),
        top_p=draw(st.one_of(st.none(), st.floats(0, 1))),
        stop=tuple(draw(st.lists(WORDS, max_size=4))),
        stream=draw(st.booleans()) if not is_chat else False,
        include_usage=not is_chat,
        thinking=None if is_chat else draw(st.sampled_from([None, ThinkingMode.ADAPTIVE, ThinkingMode.DISABLED])),
        reasoning_effort=draw(st.sampled_from([None, "low", "high"])),
        output_schema=draw(
            st.sampled_from([None, OutputSchema(schema={"type": "object"}, name="n" if is_chat else None, strict=True)])
        ),
        user=draw(st.one_of(st.none(), WORDS)),
        extras=draw(st.sampled_from([{}, {"service_tier": "auto"}])),
    )


def renamed(request: NeutralRequest, tool_names: dict[str, str] | None) -> NeutralRequest:
    """Return the request with the client's own tool names put back, as replies have them."""
    back = tool_names or {}

    def block(block: Block) -> Block:
        return evolve(block, name=back.get(block.name, block.name)) if isinstance(block, ToolUse) else block

    choice = request.tool_choice
    return evolve(
        request,
        messages=tuple(evolve(message, content=tuple(map(block, message.content))) for message in request.messages),
        tools=tuple(evolve(tool, name=back.get(tool.name, tool.name)) for tool in request.tools),
        tool_choice=choice and evolve(choice, name=choice.name and back.get(choice.name, choice.name)),
    )


TARGET = UpstreamTarget(model="m", effort=True, reasoning_effort=True)


@pytest.mark.slow
@given(request=requests(DialectName.ANTHROPIC))
def test_a_messages_request_is_the_same_after_a_round_trip(request: NeutralRequest) -> None:
    encoded = anthropic.encode_request(request, TARGET)

    assert renamed(anthropic.decode_request(encoded.body), encoded.tool_names) == request
    assert encoded.notes == ()


@pytest.mark.slow
@given(request=requests(DialectName.OPENAI_CHAT))
def test_a_chat_request_is_the_same_after_a_round_trip(request: NeutralRequest) -> None:
    encoded = openai_chat.encode_request(request, TARGET)

    assert renamed(openai_chat.decode_request(encoded.body), encoded.tool_names) == request
    assert encoded.notes == ()


@pytest.mark.slow
@given(request=requests(DialectName.ANTHROPIC))
def test_an_upstreams_chat_body_keeps_the_rules_of_its_api(request: NeutralRequest) -> None:
    body = openai_chat.encode_request(request, TARGET).body

    assert_chat_rules(json.loads(json.dumps(body)))


@pytest.mark.slow
@given(request=requests(DialectName.OPENAI_CHAT))
def test_an_upstreams_messages_body_keeps_the_rules_of_its_api(request: NeutralRequest) -> None:
    body = anthropic.encode_request(request, TARGET).body

    assert_messages_rules(json.loads(json.dumps(body)))


VECTORS = {
    path: load(f"requests/{path}.json")["input"]
    for folder in ("anthropic_to_openai", "openai_to_anthropic", "gemini_to_openai")
    for path in (f"{folder}/{name}" for name in names(f"requests/{folder}"))
}
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, -1, 2.5, "", "x", [], {}, [None], [{}], {"type": "text"}, True, {"type": []}, "9" * 30]
).map(copy.deepcopy)


@st.composite
def spoiled(draw: Callable[..., Any], path_start: str) -> tuple[str, dict[str, Any]]:
    """Draw a vector's body with one to three of its values replaced by junk."""
    path = draw(st.sampled_from([path for path in VECTORS if path.startswith(path_start)]))
    body = copy.deepcopy(VECTORS[path])
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = body
        while True:
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            if not keys:
                break
            key = draw(st.sampled_from(list(keys)))
            if not isinstance(holder[key], dict | list) or draw(st.integers(0, 3)) == 0:
                holder[key] = draw(JUNK)
                break
            holder = holder[key]
    return path, body


def assert_read_or_refused(body: dict[str, Any], source: ModuleType, target: ModuleType, rules: Callable[[Any], None]) -> None:
    before = copy.deepcopy(body)
    read = decoded_or_refused(body, source)
    if isinstance(read, InvalidRequest):
        assert read.param
        assert not read.message.startswith(read.param)
        return
    source.check_request(body)
    rules(json.loads(json.dumps(target.encode_request(read, TARGET).body)))
    assert body == before


def decoded_or_refused(body: dict[str, Any], source: ModuleType) -> NeutralRequest | InvalidRequest:
    try:
        request: NeutralRequest = source.decode_request(body)
    except InvalidRequest as error:
        return error
    return request


@given(drawn=spoiled("anthropic"))
def test_a_spoiled_messages_body_is_read_or_refused_with_the_fields_path(drawn: tuple[str, dict[str, Any]]) -> None:
    assert_read_or_refused(drawn[1], anthropic, openai_chat, assert_chat_rules)


@given(drawn=spoiled("openai"))
def test_a_spoiled_chat_body_is_read_or_refused_with_the_fields_path(drawn: tuple[str, dict[str, Any]]) -> None:
    assert_read_or_refused(drawn[1], openai_chat, anthropic, assert_messages_rules)


@given(drawn=spoiled("gemini"))
def test_a_spoiled_gemini_body_is_read_or_refused_with_the_fields_path(drawn: tuple[str, dict[str, Any]]) -> None:
    assert_read_or_refused(drawn[1], gemini, openai_chat, assert_chat_rules)
    assert_read_or_refused(drawn[1], gemini, anthropic, assert_messages_rules)


SIDES: dict[str, tuple[ModuleType, ModuleType, Callable[[dict[str, Any]], None]]] = {
    "anthropic": (anthropic, openai_chat, assert_chat_rules),
    "openai": (openai_chat, anthropic, assert_messages_rules),
    "gemini": (gemini, openai_chat, assert_chat_rules),
}


@pytest.mark.parametrize("path", VECTORS)
def test_every_vector_keeps_the_rules_of_the_other_api(path: str) -> None:
    source, target, rules = SIDES[path.partition("_")[0]]

    rules(json.loads(json.dumps(target.encode_request(source.decode_request(VECTORS[path]), TARGET).body)))
