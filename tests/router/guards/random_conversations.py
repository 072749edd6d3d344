"""Random conversations of coding agents, as clients send them: human turns, rounds of one to four tool calls, long results."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from random import Random
from typing import Any

from attrs import define, field

from router.domain.request import DialectName

_TEXTS = (
    "the test fails because parser returns an empty list when input ends in a comma",
    "def self return None import for in range if not isinstance str",
    "政府 周三 批准 了 一项 法案 要求 各 部门 以 电子 方式 提供 服务",
    "правительство одобрило законопроект обязывающий ведомства предоставлять услуги",
)
_IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
_IMAGE_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}


def conversation(seed: int, dialect: DialectName) -> dict[str, Any]:
    """Return the body of one request; the same for the same seed."""
    random = Random(seed)  # noqa: S311 - chance with a seed, no secret
    writer = _Messages(random) if dialect is DialectName.ANTHROPIC else _Chat(random)
    writer.write()
    return {"model": "m", "max_tokens": 1000, **writer.head(), "messages": writer.messages, "tools": writer.tools()}


@define
class _Writer(ABC):
    """One conversation under way. `repeats_ids`: a server that counts the calls of each answer from 0."""

    random: Random
    messages: list[dict[str, Any]] = field(factory=list)
    repeats_ids: bool = field(init=False)
    _calls: int = 0

    def __attrs_post_init__(self) -> None:
        self.repeats_ids = self.random.random() < 0.25

    def write(self) -> None:
        for turn in range(self.random.randint(1, 5)):
            if turn:
                self.answer()
            self.ask()
            for _ in range(self.random.choice((0, 0, 1, 3, 8, 25))):
                self.round([self.new_id(place) for place in range(self.random.choice((1, 1, 1, 2, 4)))])

    def new_id(self, place: int) -> str:
        self._calls += 1
        return f"call_{place if self.repeats_ids else self._calls}"

    def text(self, *, most: int = 60) -> str:
        words = self.random.choice(_TEXTS).split()
        return " ".join(self.random.choice(words) for _ in range(self.random.randint(1, most)))

    def long_text(self) -> str:
        return self.text(most=self.random.choice((5, 60, 400, 1500)))

    def arguments(self) -> dict[str, Any]:
        return {"path": f"/src/{self.random.randint(0, 99)}.py", "text": self.text(most=20)}

    def head(self) -> dict[str, Any]:
        return {}

    @abstractmethod
    def tools(self) -> list[dict[str, Any]]:
        """Return the tools that the calls are of."""

    @abstractmethod
    def ask(self) -> None:
        """Let the user say something."""

    @abstractmethod
    def answer(self) -> None:
        """Let the model end its turn in words."""

    @abstractmethod
    def round(self, ids: list[str]) -> None:
        """Let the model make these calls, and the client hand in their results."""


class _Messages(_Writer):
    def head(self) -> dict[str, Any]:
        return {"system": [{"type": "text", "text": self.text()}]}

    def tools(self) -> list[dict[str, Any]]:
        return [{"name": "read", "description": self.text(), "input_schema": {"type": "object"}}]

    def ask(self) -> None:
        if self.random.random() < 0.5:
            said: Any = self.long_text()
        else:
            said = [{"type": "text", "text": self.long_text()} for _ in range(self.random.randint(1, 3))]
            said += [_IMAGE] if self.random.random() < 0.2 else []
        self.messages.append({"role": "user", "content": said})

    def answer(self) -> None:
        self.messages.append({"role": "assistant", "content": self.text()})

    def round(self, ids: list[str]) -> None:
        said: list[dict[str, Any]] = []
        if self.random.random() < 0.3:
            said.append({"type": "thinking", "thinking": self.text(), "signature": "c2ln"})
        if self.random.random() < 0.5:
            said.append({"type": "text", "text": self.text()})
        said += [{"type": "tool_use", "id": call_id, "name": "read", "input": self.arguments()} for call_id in ids]
        self.messages.append({"role": "assistant", "content": said})
        results = [{"type": "tool_result", "tool_use_id": call_id, "content": self.result()} for call_id in ids]
        if self.random.random() < 0.2:
            results.append({"type": "text", "text": f"<system-reminder>{self.text()}</system-reminder>"})
        self.messages.append({"role": "user", "content": results})

    def result(self) -> Any:  # noqa: ANN401 - content of either form
        if self.random.random() < 0.5:
            return self.long_text()
        return [{"type": "text", "text": self.long_text()}] + ([_IMAGE] if self.random.random() < 0.2 else [])


class _Chat(_Writer):
    def write(self) -> None:
        for role in self.random.choice(((), ("system",), ("developer",), ("system", "developer"))):
            self.messages.append({"role": role, "content": self.text()})
        super().write()

    def tools(self) -> list[dict[str, Any]]:
        function = {"name": "read", "description": self.text(), "parameters": {"type": "object"}}
        return [{"type": "function", "function": function}]

    def ask(self) -> None:
        said: Any = self.long_text()
        if self.random.random() < 0.3:
            said = [{"type": "text", "text": said}] + ([_IMAGE_PART] if self.random.random() < 0.5 else [])
        self.messages.append({"role": "user", "content": said})

    def answer(self) -> None:
        self.messages.append({"role": "assistant", "content": self.text()})

    def round(self, ids: list[str]) -> None:
        calls = [{"id": call_id, "type": "function", "function": self.function()} for call_id in ids]
        content = self.text() if self.random.random() < 0.5 else None
        self.messages.append({"role": "assistant", "content": content, "tool_calls": calls})
        answered = self.random.sample(ids, len(ids))
        self.messages += [{"role": "tool", "tool_call_id": call_id, "content": self.long_text()} for call_id in answered]

    def function(self) -> dict[str, str]:
        return {"name": "read", "arguments": json.dumps(self.arguments(), ensure_ascii=False)}
