"""What the rules of the auto router look at in a request, of either dialect, read from the client's own document.

Each fact is found out when it is first asked for, and only then. No document makes one raise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from attrs import frozen

from router.config.schema_rules import ClientName
from router.domain.routes import usual_path
from router.guards.compaction import is_flagged
from router.guards.tokens import count_tokens_body
from router.routing.session import AGENT_TYPE, REQUEST_CLASS

MAX_SEARCHED = 64 * 1024  # characters that a pattern of the user's may look at (routing.md 7)

_IMAGES = ("image", "image_url", "input_image")
_FENCE = "```"
_REMINDER, _REMINDER_END = "<system-reminder>", "</system-reminder>"  # Claude Code speaking in the user's place
_COUNT_TOKENS = "/count_tokens"
_NO_EFFORT = ("", "none")

# kana, ideographs with their punctuation, hangul, and their wide forms
_CJK = re.compile(
    r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    r"\U0001f200-\U0001f2ff\U00020000-\U0003ffff]+"
)

# by the start of the User-Agent, in lower case; a vendor's SDK under a client is named by the client
_CLIENTS: tuple[tuple[tuple[str, ...], ClientName], ...] = (
    (("claude-cli/", "claude-code/"), "claude-code"),
    (("codex_", "codex-", "codex/"), "codex"),
    (("geminicli", "gemini-cli"), "gemini-cli"),
    (("openai/", "asyncopenai/", "azureopenai/", "asyncazureopenai/"), "openai-sdk"),
    (("anthropic/", "asyncanthropic/"), "anthropic-sdk"),
)


@frozen(kw_only=True, slots=False)
class Facts:
    """One request for the rules. `headers` has lower-case names; `path` is the route that it came by."""

    document: Mapping[str, object]
    headers: Mapping[str, str]
    path: str
    model: str
    is_stream: bool

    @cached_property
    def text(self) -> str:
        """What the human said last: tool results and the client's reminders are not of their making."""
        turn = self._turn
        return "\n".join(_human_texts(turn[0].get("content"))) if turn else ""

    @cached_property
    def has_image(self) -> bool:
        """An image in the last human turn, or in a tool's result since."""
        return any(_has_image(message.get("content")) for message in self._turn)

    @cached_property
    def code_fence_ratio(self) -> float:
        """The share of the text between closed fences, with these; 0 without text."""
        parts = self.text.split(_FENCE)
        closed = parts[1:-1:2]
        return (sum(map(len, closed)) + 2 * len(_FENCE) * len(closed)) / max(1, len(self.text))

    @cached_property
    def cjk_ratio(self) -> float:
        """The share of Chinese, Japanese and Korean characters in the text; 0 without text."""
        return sum(map(len, _CJK.findall(self.text))) / max(1, len(self.text))

    @cached_property
    def searched_text(self) -> str:
        """The part of the text that patterns look at."""
        return self.text[:MAX_SEARCHED]

    @cached_property
    def estimated_tokens(self) -> int:
        """Input tokens of the whole request, by the one estimate that guards and count_tokens use."""
        return count_tokens_body(self.document)

    @property
    def estimated_tokens_if_known(self) -> int | None:
        """The estimate where a rule has asked for it: nobody else is worth the time."""
        known = vars(self).get("estimated_tokens")
        return known if isinstance(known, int) else None

    @property
    def has_tools(self) -> bool:
        """Tools, or functions of the old form."""
        return any(isinstance(tools := self.document.get(key), list) and bool(tools) for key in ("tools", "functions"))

    @property
    def wants_thinking(self) -> bool:
        """Reasoning is asked for, in the words of either dialect."""
        thinking, effort = self.document.get("thinking"), self.document.get("reasoning_effort")
        if isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive"):
            return True
        return isinstance(effort, str) and effort not in _NO_EFFORT

    @property
    def request_class(self) -> str:
        """What Claude Code says of the request, in lower case; "" where it says nothing."""
        return self.headers.get(REQUEST_CLASS, "").strip().lower()

    @property
    def agent_type(self) -> str:
        """The kind of sub-agent that Claude Code names, in lower case, or ""."""
        return self.headers.get(AGENT_TYPE, "").strip().lower()

    @property
    def is_compaction(self) -> bool:
        """Claude Code makes its conversation smaller."""
        return is_flagged(self.headers)

    @property
    def client(self) -> ClientName:
        """Which client it is, by its User-Agent."""
        return client_of(self.headers.get("user-agent", ""))

    @property
    def route(self) -> str:
        """The path in its usual spelling; counting goes where the answer would come from."""
        return usual_path(self.path.removesuffix(_COUNT_TOKENS))

    @cached_property
    def _turn(self) -> Sequence[Mapping[str, object]]:
        """The last human message and what came after it; () where nobody human has spoken."""
        messages = self.document.get("messages")
        if not isinstance(messages, list):
            return ()
        for index in range(len(messages) - 1, -1, -1):
            message = messages[index]
            if isinstance(message, dict) and message.get("role") == "user" and _is_human(message.get("content")):
                return [
                    message for message in messages[index:] if isinstance(message, dict) and message.get("role") != "assistant"
                ]
        return ()


def client_of(user_agent: str) -> ClientName:
    """Return the client that a User-Agent names."""
    name = user_agent.strip().lower()
    return next((client for starts, client in _CLIENTS if name.startswith(starts)), "other")


def _is_human(content: object) -> bool:
    """Tell whether a user message is somebody's, not only results of tools and reminders."""
    if isinstance(content, list):
        return not content or any(_is_human_block(block) for block in content)
    return isinstance(content, str) and _is_human_text(content)


def _is_human_block(block: object) -> bool:
    if not isinstance(block, dict) or block.get("type") == "tool_result":
        return False
    text = block.get("text")
    return not isinstance(text, str) or _is_human_text(text)


def _is_human_text(text: str) -> bool:
    return _REMINDER not in text or bool(_without_reminders(text).strip())


def _human_texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield _without_reminders(content)
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and isinstance(text := block.get("text"), str) and _is_human_text(text):
            yield _without_reminders(text)


def _without_reminders(text: str) -> str:
    """Return a text without the client's reminders; a text that begins with one and does not end it is all reminder."""
    kept: list[str] = []
    position = 0
    while (start := text.find(_REMINDER, position)) >= 0:
        end = text.find(_REMINDER_END, start)
        if end < 0:
            if not text[:start].strip():
                return ""
            break
        kept.append(text[position:start])
        position = end + len(_REMINDER_END)
    return "".join([*kept, text[position:]]) if position else text


def _has_image(content: object) -> bool:
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        kind = block.get("type")
        if kind in _IMAGES or (kind == "tool_result" and _has_image(block.get("content"))):
            return True
    return False
