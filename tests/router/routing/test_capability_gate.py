"""Which requests suit which providers (routing.md 8.3 to 8.5, 10.4)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.request import DialectName
from router.providers.capabilities import Capabilities, Flag
from router.routing.capability_gate import Fit, Needs, fit, needs_of_body
from tests.builders import PLAIN

ANTHROPIC, CHAT = DialectName.ANTHROPIC, DialectName.OPENAI_CHAT
NO, YES = Flag(value=False, origin="provider"), Flag(value=True, origin="provider")
ALL = Needs(thinking=True, cache_control=True, tools=True, vision=True, tool_choice=True)


def window(tokens: int) -> Flag:
    return Flag(value=tokens, origin="provider")


@pytest.mark.parametrize(
    ("capabilities", "needs", "expected"),
    [
        (Capabilities(), ALL, Fit()),  # what nobody knows fits
        (Capabilities(thinking=YES, tools=YES, vision=YES, tool_choice=YES, cache_control=YES), ALL, Fit()),
        (Capabilities(thinking=NO), ALL, Fit(lacking=("thinking",))),
        (Capabilities(tools=NO), ALL, Fit(lacking=("tools",))),
        (Capabilities(vision=NO), ALL, Fit(lacking=("vision",))),
        (Capabilities(tool_choice=NO), ALL, Fit(lacking=("tool_choice",))),
        (Capabilities(cache_control=NO), ALL, Fit(lossy=("cache_control",))),
        (Capabilities(thinking=NO, tools=NO, vision=NO, tool_choice=NO, cache_control=NO), Needs(), Fit()),
        (Capabilities(vision=NO, thinking=NO), ALL, Fit(lacking=("thinking", "vision"))),
    ],
)
def test_what_a_provider_lacks_counts_only_where_it_is_needed(capabilities: Capabilities, needs: Needs, expected: Fit) -> None:
    assert fit(capabilities, needs) == expected


@pytest.mark.parametrize(
    ("tokens", "max_tokens", "size", "factor", "overflows"),
    [
        (900, 100, 1000, 1.0, False),
        (901, 100, 1000, 1.0, True),
        (750, 32_000, 1000, 1.0, False),  # the answer is reckoned with a quarter at most
        (751, 32_000, 1000, 1.0, True),
        (123_904, None, 128_000, 1.0, False),
        (123_905, None, 128_000, 1.0, True),
        (900, 100, 1000, 1.01, True),
        (1000, 100, 1000, 0.9, False),
    ],
)
def test_a_prompt_and_its_answer_go_into_the_window(
    tokens: int,
    max_tokens: int | None,
    size: int,
    factor: float,
    overflows: bool,  # noqa: FBT001 - a column of the table
) -> None:
    capabilities = Capabilities(max_context_tokens=window(size))

    assert fit(capabilities, Needs(tokens=tokens, max_tokens=max_tokens), factor=factor).overflows is overflows


def asking(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - members of a JSON body
    return {"model": "m", "max_tokens": 7, "messages": [{"role": "user", "content": "hi"}], **members}


def saying(*blocks: dict[str, Any]) -> dict[str, Any]:
    return asking(messages=[{"role": "user", "content": list(blocks)}])


TOOL = {"name": "t", "input_schema": {"type": "object"}}
FUNCTION = {"type": "function", "function": {"name": "t"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
TEXT = {"type": "text", "text": "hi"}
MARK = {"cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    ("dialect", "body", "needs"),
    [
        (ANTHROPIC, asking(), Needs()),
        (ANTHROPIC, asking(thinking={"type": "enabled", "budget_tokens": 1024}), Needs(thinking=True)),
        (ANTHROPIC, asking(thinking={"type": "adaptive"}), Needs(thinking=True)),  # the original looks at `enabled` only
        (ANTHROPIC, asking(thinking={"type": "disabled"}), Needs()),
        (ANTHROPIC, asking(thinking=None), Needs()),
        (ANTHROPIC, asking(tools=[TOOL]), Needs(tools=True)),
        (ANTHROPIC, asking(tools=[]), Needs()),
        (ANTHROPIC, asking(tools=[TOOL], tool_choice={"type": "any"}), Needs(tools=True, tool_choice=True)),
        (ANTHROPIC, asking(tools=[TOOL], tool_choice={"type": "tool", "name": "t"}), Needs(tools=True, tool_choice=True)),
        (ANTHROPIC, asking(tools=[TOOL], tool_choice={"type": "auto"}), Needs(tools=True)),
        (ANTHROPIC, asking(tools=[TOOL | MARK]), Needs(tools=True, cache_control=True)),
        (ANTHROPIC, asking(system=[TEXT | MARK]), Needs(cache_control=True)),
        (ANTHROPIC, saying(TEXT | MARK), Needs(cache_control=True)),
        (ANTHROPIC, saying(TEXT | {"cache_control": None}), Needs()),
        (ANTHROPIC, saying(IMAGE), Needs(vision=True)),
        (ANTHROPIC, saying({"type": "tool_result", "tool_use_id": "x", "content": [IMAGE]}), Needs(vision=True)),
        (ANTHROPIC, saying({"type": "tool_result", "tool_use_id": "x", "content": "text"}), Needs()),
        (CHAT, asking(), Needs()),
        (CHAT, asking(tools=[FUNCTION]), Needs(tools=True)),
        (CHAT, asking(functions=[{"name": "t"}]), Needs(tools=True)),
        (CHAT, asking(tools=[FUNCTION], tool_choice="required"), Needs(tools=True, tool_choice=True)),
        (CHAT, asking(tools=[FUNCTION], tool_choice="auto"), Needs(tools=True)),
        (CHAT, asking(tools=[FUNCTION], tool_choice=FUNCTION), Needs(tools=True, tool_choice=True)),
        (CHAT, saying(PART), Needs(vision=True)),
        (CHAT, saying(TEXT), Needs()),
        (CHAT, asking(max_completion_tokens=9), Needs(max_tokens=9)),
        (CHAT, asking(max_tokens="8"), Needs(max_tokens=8)),
    ],
)
def test_a_body_says_what_it_needs(dialect: DialectName, body: dict[str, Any], needs: Needs) -> None:
    assert needs_of_body(body, dialect, 12) == evolved(needs)


def evolved(needs: Needs) -> Needs:
    """Return the needs with what every body of the table has: 12 tokens, and a limit of 7 where it says nothing else."""
    limit = 7 if needs.max_tokens is None else needs.max_tokens
    return Needs(
        thinking=needs.thinking,
        cache_control=needs.cache_control,
        tools=needs.tools,
        vision=needs.vision,
        tool_choice=needs.tool_choice,
        tokens=12,
        max_tokens=limit,
    )


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["image", "tool_result", "any", "enabled"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["type", "content", "cache_control", "role"]), inner, max_size=3),
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["messages", "system", "tools", "functions", "thinking", "tool_choice", "max_tokens", "max_completion_tokens"]
)


@given(body=st.dictionaries(KEYS, JSON), dialect=st.sampled_from(PLAIN))
def test_a_body_of_any_shape_is_read(body: dict[str, Any], dialect: DialectName) -> None:
    assert needs_of_body(body, dialect, 0).tokens == 0
