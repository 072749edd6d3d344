"""The items of `input` as neutral messages (wire.md 10.1). The body has been checked.

A turn is many items here: what the model made joins into one message of the assistant, consecutive results into one of
the user. Each message of a person stays one by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from attrs import define, evolve, field

from router.domain.messages import Block, Message, Opaque, Role, Text, ToolKind, ToolResult, ToolUse
from router.domain.request import DialectName, Note
from router.wire.openai_responses.calls import arguments_of
from router.wire.openai_responses.decode_parts import decode_content
from router.wire.openai_responses.sealed import unseal, unseal_call
from router.wire.openai_responses.tools import ADDITIONAL, FORMS, Form, ToolBook

KINDS: Mapping[Form, ToolKind] = {Form.CUSTOM: ToolKind.CUSTOM, Form.LOCAL_SHELL: ToolKind.LOCAL_SHELL}
_OUTPUT = "_output"
_RESULTS = frozenset(item_type + _OUTPUT for item_type in FORMS)
_HOSTED = ("web_search", "file_search", "code_interpreter", "image_generation", "computer", "mcp_", "tool_search")
_FROM_CLIENT = (_OUTPUT, "_response")  # ends of the kinds that answer a call
_LOCAL = "ghost_snapshot"  # Codex's own bookkeeping, which no API takes


@define
class _Group:
    """The items that become one message; `kind` tells which others join it."""

    role: Role
    kind: str
    path: str
    blocks: list[Block] = field(factory=list)


@define
class ItemDecoder:
    """Decodes the items of one body, in their order; notes go to `notes`."""

    notes: list[Note]
    book: ToolBook
    _system: list[str] = field(init=False, factory=list)
    _groups: list[_Group] = field(init=False, factory=list)
    _signatures: dict[str, str] = field(init=False, factory=dict)  # of the calls that follow, by their id

    def decode(self, given: str | Sequence[dict[str, Any]] | None) -> tuple[tuple[str, ...], tuple[Message, ...]]:
        """Return the instructions that stand in front of everything else, and the messages."""
        if isinstance(given, str):
            return (), (Message(role=Role.USER, content=(Text(given),), path="input"),)
        for index, item in enumerate(given or ()):
            self._item(item, f"input[{index}]")
        messages = (Message(role=group.role, content=tuple(group.blocks), path=group.path) for group in self._groups)
        return tuple(self._system), tuple(messages)

    def _item(self, item: dict[str, Any], path: str) -> None:
        kind = item.get("type") or "message"
        if kind == "message":
            self._message(item, path)
        elif kind in FORMS:
            self._say(self._call(item, FORMS[kind], path), path)
        elif kind in _RESULTS:
            self._answer(self._result(item, kind, path), path)
        elif kind == "reasoning":
            self._reasoning(item, path)
        elif kind == ADDITIONAL:
            return  # read with the body's own tools
        elif kind == _LOCAL:
            self.notes.append(Note(path=path, reason=kind, kind="item"))
        elif kind.endswith(_FROM_CLIENT):
            self._answer(_opaque(item, kind, path, loss="server-tool"), path)
        else:
            self._say(_opaque(item, kind, path), path)

    def _message(self, item: dict[str, Any], path: str) -> None:
        role = item["role"]
        blocks = decode_content(item.get("content"), f"{path}.content", self.notes, role=role)
        if role == "assistant":
            if item.get("phase") is not None:
                self.notes.append(Note(path=f"{path}.phase"))
            self._group(Role.ASSISTANT, "said", path).blocks += blocks
        elif role == "user":
            self._groups.append(_Group(role=Role.USER, kind="asked", path=path, blocks=list(blocks)))
        elif self._groups:
            self._groups.append(_Group(role=Role.SYSTEM, kind="told", path=path, blocks=list(blocks)))
        else:
            self._system += [block.text for block in blocks if isinstance(block, Text)]

    def _say(self, block: Block, path: str) -> None:
        self._group(Role.ASSISTANT, "said", path).blocks.append(block)

    def _answer(self, block: Block, path: str) -> None:
        self._group(Role.USER, "answered", path).blocks.append(block)

    def _group(self, role: Role, kind: str, path: str) -> _Group:
        if not self._groups or self._groups[-1].kind != kind:
            self._groups.append(_Group(role=role, kind=kind, path=path))
        return self._groups[-1]

    def _call(self, item: dict[str, Any], form: Form, path: str) -> ToolUse:
        name = form.value
        if form in (Form.FUNCTION, Form.CUSTOM):
            name = self.book.flat(item["name"], item.get("namespace"))
        told = item.get("call_id") or item.get("id")
        call_id = told if isinstance(told, str) else ""
        return ToolUse(
            id=call_id,
            name=name,
            input=arguments_of(item, form),
            kind=KINDS.get(form, ToolKind.FUNCTION),
            signature=self._signatures.pop(call_id, ""),
            path=path,
        )

    def _reasoning(self, item: dict[str, Any], path: str) -> None:
        told = item.get("encrypted_content")
        content = told if isinstance(told, str) else ""
        if (of_call := unseal_call(content)) is not None:
            self._signatures[of_call[0]] = of_call[1]
        elif (thinking := unseal(content, path)) is not None:
            self._say(thinking, path)
        else:
            self._say(_opaque(item, "reasoning", path, loss="thinking"), path)

    def _result(self, item: dict[str, Any], kind: str, path: str) -> ToolResult:
        call_id = item.get("call_id") or item.get("id")
        result = ToolResult(call_id=call_id if isinstance(call_id, str) else "", path=path)
        output, where = item.get("output"), f"{path}.output"
        if kind == "shell_call_output":
            return evolve(result, content=_shell_output(output))
        if isinstance(output, dict):  # the form of older clients, with a word on how it went
            content = output.get("content")
            text = content if isinstance(content, str) else orjson.dumps(output).decode()
            blocks: tuple[Block, ...] = (Text(text),) if text else ()
            return evolve(result, content=blocks, is_error=output.get("success") is False)
        content_blocks = decode_content(output, where, self.notes)
        return evolve(result, content=content_blocks, is_error=item.get("status") == "failed")


def _shell_output(output: object) -> tuple[Block, ...]:
    """Return what the commands wrote, each with the way in which it ended unless that was well."""
    texts: list[str] = []
    for chunk in output if isinstance(output, list) else ():
        if not isinstance(chunk, dict):
            continue
        texts += [told for key in ("stdout", "stderr") if isinstance(told := chunk.get(key), str) and told]
        outcome = chunk.get("outcome")
        ended = outcome if isinstance(outcome, dict) else {}
        if ended.get("type") == "timeout":
            texts.append("[timed out]")
        elif ended.get("exit_code"):
            texts.append(f"[exit code {ended['exit_code']}]")
    return (Text("\n".join(texts)),) if texts else ()


def _opaque(item: dict[str, Any], kind: str, path: str, loss: str = "item") -> Opaque:
    if kind.startswith(_HOSTED):
        loss = "server-tool"
    return Opaque(dialect=DialectName.OPENAI_RESPONSES, kind=kind, raw=item, loss=loss, path=path)
