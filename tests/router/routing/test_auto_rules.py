"""Which rule of the auto router holds, and what it tells."""

from __future__ import annotations

import time
from typing import Any

import pytest

from router.config.schema_rules import AutoRouterConfig, HeaderMatch, MatchConfig
from router.routing.auto_facts import Facts
from tests.router.routing.auto_rig import IMAGE, IMAGE_URL, assistant, facts, of_block, result, router, rule, text, user

CODE = "```python\nprint(1)\n```"
HINTS = "x-claude-code-"


def hinted(klass: str = "", **more: str) -> Facts:
    headers = {f"{HINTS}{name.replace('_', '-')}": value for name, value in more.items()}
    return facts(user("hi"), headers=headers | ({f"{HINTS}request-class": klass} if klass else {}))


MATCHES: list[tuple[dict[str, Any], Facts]] = [
    ({"has_image": True}, facts(user(text("see"), IMAGE))),
    ({"has_image": True}, facts(user(text("see"), IMAGE_URL), path="/v1/chat/completions")),
    ({"has_image": True}, facts(user("see"), assistant(), user(result(IMAGE)))),
    ({"code_fence_ratio_min": 0.3}, facts(user("fix this:\n" + CODE))),
    ({"content_contains": "refactor"}, facts(user("please refactor it"))),
    ({"content_regex": "(?i)stack ?trace"}, facts(user("the StackTrace says"))),
    ({"model_pattern": "gpt-.*"}, facts(user("hi"), model="gpt-5")),
    ({"content_token_count_min": 50}, facts(user("word " * 100))),
    ({"content_token_count_min": 50}, facts(user("hi"), system="word " * 100)),
    ({"content_token_count_min": 50}, facts(user("hi"), assistant(), user(result(text("word " * 100))))),
    ({"has_tools": True}, facts(user("hi"), tools=[{"name": "t"}])),
    ({"has_tools": True}, facts(user("hi"), functions=[{"name": "t"}])),
    ({"cjk_ratio_min": 0.5}, facts(user("中文ab"))),
    ({"header": HeaderMatch(name="X-Team", pattern="^blue")}, facts(headers={"x-team": "blue-1"})),
    ({"path": "/v1/chat/completions"}, facts(path="/chat/completions")),
    ({"path": "/v1/messages"}, facts(path="/v1/messages/count_tokens")),
    ({"thinking": True}, facts(thinking={"type": "adaptive"})),
    ({"thinking": True}, facts(reasoning_effort="low")),
    ({"request_class": "auxiliary"}, hinted("Auxiliary")),
    ({"agent_type": "Explore"}, hinted("subagent", agent_type="explore")),
    ({"compaction": True}, hinted(compaction="manual")),
    ({"client": "claude-code"}, facts(headers={"user-agent": "claude-cli/2.1.197"})),
    ({"stream": True}, facts(is_stream=True)),
    ({"stream": False}, facts(is_stream=False)),
    ({"has_tools": True, "stream": True}, facts(tools=[{"name": "t"}], is_stream=True)),
    ({"any": (MatchConfig(has_tools=True), MatchConfig(stream=True))}, facts(is_stream=True)),
    ({"stream": True, "any": (MatchConfig(model_pattern="m"), MatchConfig(has_tools=True))}, facts(is_stream=True)),
]

MISSES: list[tuple[dict[str, Any], Facts]] = [
    ({"has_image": True}, facts(user(IMAGE), assistant(), user("and now?"))),
    ({"code_fence_ratio_min": 0.3}, facts(user(CODE + "x" * 200))),
    ({"code_fence_ratio_min": 0.3}, facts(user(""))),
    ({"content_contains": "refactor"}, facts(user("Refactor it"))),
    ({"content_contains": "refactor"}, facts(user("refactor"), assistant(), user("thanks"))),
    ({"content_regex": "trace$"}, facts(user("a" * 65536 + "trace"))),
    ({"model_pattern": "gpt"}, facts(user("hi"), model="gpt-5")),
    ({"model_pattern": ".*"}, facts(user("hi"), model="")),
    ({"content_token_count_min": 50}, facts(user("hi"))),
    ({"has_tools": True}, facts(user("hi"), tools=[])),
    ({"cjk_ratio_min": 0.5}, facts(user("中abc"))),
    ({"header": HeaderMatch(name="x-team", pattern="^blue")}, facts(headers={"x-team": "red"})),
    ({"header": HeaderMatch(name="x-team", pattern="")}, facts()),
    ({"path": "/v1/messages"}, facts(path="/v1/chat/completions")),
    ({"thinking": True}, facts(thinking={"type": "disabled"})),
    ({"request_class": "auxiliary"}, hinted("main")),
    ({"request_class": "main"}, hinted()),
    ({"agent_type": "explore"}, hinted("subagent")),
    ({"compaction": True}, hinted("main")),
    ({"compaction": True}, hinted(compaction="false")),
    ({"client": "codex"}, facts(headers={"user-agent": "claude-cli/2.1.197"})),
    ({"stream": True}, facts()),
    ({"has_tools": True, "stream": True}, facts(is_stream=True)),
    ({"any": (MatchConfig(has_tools=True), MatchConfig(stream=True))}, facts()),
    ({"stream": True, "any": (MatchConfig(model_pattern="m"),)}, facts()),
    ({"any": (MatchConfig(has_tools=True, stream=True),)}, facts(is_stream=True)),
]


@pytest.mark.parametrize(("match", "request_facts"), MATCHES, ids=lambda part: ",".join(part) if isinstance(part, dict) else "")
def test_a_rule_holds_when_all_its_matchers_do(match: dict[str, Any], request_facts: Facts) -> None:
    choice = router(rule(**match)).resolve(request_facts)

    assert (choice.profile, choice.rule_id) == ("coding", "user:r")


@pytest.mark.parametrize(("match", "request_facts"), MISSES, ids=lambda part: ",".join(part) if isinstance(part, dict) else "")
def test_a_rule_does_not_hold_when_one_matcher_fails(match: dict[str, Any], request_facts: Facts) -> None:
    choice = router(rule(**match)).resolve(request_facts)

    assert (choice.profile, choice.rule_id) == ("writing", None)


def test_the_first_rule_that_holds_wins() -> None:
    rules = (
        rule("small", "user:tools", has_tools=True),
        rule("multi", "user:a", stream=False),
        rule("coding", "user:b", stream=False),
    )

    assert router(*rules).resolve(facts(user("hi"))).rule_id == "user:a"


# ---- patterns meet a client's text on the event loop

HOSTILE: list[tuple[dict[str, Any], Facts]] = [
    ({"content_regex": "(a+)+$"}, facts(user("a" * 32 + "!"))),
    ({"content_regex": "(a|aa)+$"}, facts(user("a" * 60_000 + "!"))),
    ({"content_regex": ".*ERROR.*at line"}, facts(user("ERROR " * 20_000))),
    ({"model_pattern": "(a|a)*b"}, facts(user("hi"), model="a" * 32)),
    ({"model_pattern": "(.*a){9}b"}, facts(user("hi"), model="a" * 120_000)),
    ({"header": HeaderMatch(name="x-team", pattern="(x+x+)+y")}, facts(headers={"x-team": "x" * 8000})),
]


@pytest.mark.parametrize(("match", "request_facts"), HOSTILE)
def test_no_text_keeps_a_pattern_busy(match: dict[str, Any], request_facts: Facts) -> None:
    hostile = router(rule(**match))
    begin = time.process_time()

    choice = hostile.resolve(request_facts)

    assert choice.rule_id is None
    assert time.process_time() - begin < 0.5  # a hundredth is usual; a pattern that goes back for each way would take for ever


# ---- which rules there are


@pytest.mark.parametrize(
    ("block", "said", "expected"),
    [
        (None, user(IMAGE), ("multi", "builtin:image-attachment")),
        (None, user(CODE), ("coding", "builtin:code-fence-dense")),
        (None, user("hi"), ("writing", None)),
        (AutoRouterConfig(), user(CODE), ("writing", None)),
        (AutoRouterConfig(default_rule_profile="small"), user(CODE), ("small", None)),
        (AutoRouterConfig(use_builtin=True), user(CODE), ("coding", "builtin:code-fence-dense")),
        (AutoRouterConfig(rules=(rule("small", stream=False),)), user(CODE), ("small", "user:r")),
        (AutoRouterConfig(rules=(rule("small", stream=True),)), user(CODE), ("writing", None)),
        (AutoRouterConfig(rules=(rule("small", stream=False),), use_builtin=True), user(CODE), ("small", "user:r")),
        (
            AutoRouterConfig(rules=(rule("small", stream=True),), use_builtin=True),
            user(IMAGE),
            ("multi", "builtin:image-attachment"),
        ),
        (AutoRouterConfig(rules=(rule("small", stream=False),), disabled=True), user(CODE), ("writing", None)),
    ],
)
def test_a_block_brings_its_own_rules_and_the_built_in_ones_on_wish(
    block: AutoRouterConfig | None, said: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    choice = of_block(block).resolve(facts(said))

    assert (choice.profile, choice.rule_id) == expected


def test_hints_send_each_class_to_its_own_profile_and_without_them_the_other_rules_count() -> None:
    by_class = router(
        rule("multi", "user:main", request_class="main"),
        rule("small", "user:sub", request_class="subagent"),
        rule("coding", "user:compact", compaction=True),
        rule("writing", "user:aux", request_class="auxiliary"),
        rule("small", "user:tools", has_tools=True),
    )

    asked = [hinted("main"), hinted("subagent"), hinted("compaction", compaction="auto"), hinted("auxiliary"), facts(tools=[{}])]

    assert [by_class.resolve(one).rule_id for one in asked] == [
        "user:main",
        "user:sub",
        "user:compact",
        "user:aux",
        "user:tools",
    ]


# ---- what the events tell


def test_a_choice_tells_what_was_seen() -> None:
    choice = router(rule(stream=False)).resolve(facts(user("ab" + CODE), model="m", tools=[{"name": "t"}]))

    assert choice.signals == {
        "has_image": False,
        "code_fence_ratio": 0.917,
        "content_len": 24,
        "model": "m",
        "estimated_tokens": None,
        "has_tools": True,
    }


def test_the_estimate_is_told_where_a_rule_asked_for_it() -> None:
    tokens = router(rule(content_token_count_min=1)).resolve(facts(user("some words"))).signals["estimated_tokens"]

    assert isinstance(tokens, int)
    assert tokens > 0


@pytest.mark.parametrize("disabled", [False, True])
def test_a_fall_through_tells_whether_anything_was_looked_at(disabled: bool) -> None:  # noqa: FBT001 - a column
    signals = router(disabled=disabled).resolve(facts(user("hi"))).signals

    assert signals == {
        "code_fence_ratio": 0.0,
        "content_len": 2,
        "model": "m",
        "estimated_tokens": None,
        "has_tools": False,
        "disabled": disabled,
    }


# ---- a session that has settled


BY_CLASS = (rule("small", "user:compact", request_class="compaction"), rule("coding", "user:code", code_fence_ratio_min=0.3))


def test_a_session_keeps_its_profile_whatever_the_rules_say() -> None:
    choice = router(*BY_CLASS).resolve(facts(user(CODE)), remembered="multi")

    assert (choice.profile, choice.rule_id, choice.is_remembered, choice.binds) == ("multi", None, True, True)


def test_a_compaction_goes_where_a_rule_for_its_class_sends_it_and_moves_nobody() -> None:
    choice = router(*BY_CLASS).resolve(hinted("compaction", compaction="auto"), remembered="multi")

    assert (choice.profile, choice.rule_id, choice.binds) == ("small", "user:compact", False)


def test_a_compaction_without_a_rule_of_its_own_stays_with_its_conversation() -> None:
    choice = router(BY_CLASS[1]).resolve(hinted("compaction", compaction="auto"), remembered="multi")

    assert (choice.profile, choice.is_remembered, choice.binds) == ("multi", True, False)


def test_a_disabled_router_remembers_nothing() -> None:
    choice = router(disabled=True).resolve(facts(user("hi")), remembered="multi")

    assert (choice.profile, choice.is_remembered, choice.binds) == ("writing", False, False)
