"""The items of one upstream answer on their way into a sequencer (wire.md 10.3).

What a whole item says counts where it goes beyond the deltas that came before it; a call whose deltas said something
else is no call that anybody should run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from attrs import define, field

from router.domain.messages import ToolKind
from router.wire.ending import bad_response
from router.wire.openai_responses.calls import arguments_text
from router.wire.openai_responses.decode_items import KINDS
from router.wire.openai_responses.sealed import openai_signature
from router.wire.openai_responses.tools import FORMS, Form, ToolBook
from router.wire.sequencer import Call, Sequencer

_INPUT_START, _INPUT_END = '{"input":"', '"}'
_TEXTS = {"output_text": "text", "text": "text", "refusal": "refusal"}
_TEXT_KINDS = ("message", "reasoning")
_PARAGRAPH = "\n\n"  # between the parts of a summary, which are paragraphs


@define(eq=False)
class SaidItem:
    """One item: what kind it is, what its deltas have said so far, and its call."""

    kind: str
    form: Form = Form.FUNCTION
    call: Call | None = None
    said: list[str] = field(factory=list)
    part: tuple[str, object] | None = None  # of a reasoning item: the list and the index in it that grow
    is_done: bool = False


@define(kw_only=True, eq=False)
class SaidItems:
    """All items of one answer, found by their id, else by that of their call (llama.cpp has no other), else by their place."""

    provider: str
    sequencer: Sequencer
    book: ToolBook
    shows_thinking: bool
    has_refused: bool = False
    chars: int = 0
    _by_id: dict[str, SaidItem] = field(factory=dict)
    _by_call: dict[str, SaidItem] = field(factory=dict)
    _by_index: dict[int, SaidItem] = field(factory=dict)
    _last: SaidItem | None = None

    @property
    def is_empty(self) -> bool:
        """Tell whether no item has begun yet."""
        return self._last is None

    @property
    def counts(self) -> Counter[str]:
        """What was tolerated, by name."""
        return self.sequencer.counts

    def added(self, raw: Mapping[str, Any], index: object) -> SaidItem:
        """Take the beginning of an item; what it says already is said when it is done."""
        kind = str(raw.get("type") or "message")
        item = SaidItem(kind=kind, form=FORMS.get(kind, Form.FUNCTION))
        if kind in FORMS:
            name, call_id = self._name(raw, item.form), _string(raw.get("call_id"))
            is_whole = bool(name) and item.form in (Form.FUNCTION, Form.CUSTOM)
            tool_kind = KINDS.get(item.form, ToolKind.FUNCTION)
            item.call = self.sequencer.begin(call_id=call_id, name=name, is_whole=is_whole, kind=tool_kind)
            self._by_call[call_id] = item
            self.chars += len(name)
        elif kind not in _TEXT_KINDS:
            self.counts["hosted_items"] += 1
        if item_id := _string(raw.get("id")):
            self._by_id[item_id] = item
        self._by_index[index if isinstance(index, int) else len(self._by_index)] = item
        self._last = item
        return item

    def find(self, item_id: object, index: object, call_id: str = "") -> SaidItem | None:
        """Return an item by its id, else by its call's, else by its place; without any of them the last one."""
        told = _string(item_id)
        item = self._by_id.get(told) or (self._by_call.get(told or call_id) if told or call_id else None)
        if item is not None:
            return item
        if isinstance(index, int):
            return self._by_index.get(index)
        is_another = call_id and self._last is not None and self._last.call is not None and self._last.call.id
        return None if item_id or is_another else self._last

    def grow(self, event: Mapping[str, Any], kind: str) -> SaidItem | None:
        """Return the item that a delta belongs to; one that nobody announced begins here. None for a piece of no use.

        Some servers count every item as their first, so the place of one may be that of another kind."""
        item_id, index = event.get("item_id"), event.get("output_index")
        item = self.find(item_id, index)
        if item is None:
            item = self.added({"type": kind, "id": item_id}, index)
        elif item.kind != kind and kind in _TEXT_KINDS:
            item = self.added({"type": kind, "id": item_id}, None)
        return item if item.kind == kind and not item.is_done else None

    def text(self, item: SaidItem, text: str) -> None:
        """Take a piece of what is said."""
        if text:
            item.said.append(text)
            self.chars += len(text)
            self.sequencer.text(text)

    def thought(self, item: SaidItem, text: str, part: tuple[str, object]) -> None:
        """Take a piece of reasoning. Of a summary and the whole reasoning, the one that comes first is read."""
        if not text or (item.part is not None and item.part[0] != part[0]):
            return
        if item.part is not None and item.part != part:
            text = _PARAGRAPH + text
        item.part = part
        item.said.append(text)
        self.chars += len(text)
        if self.shows_thinking:
            self.sequencer.thinking(text)

    def arguments(self, item: SaidItem, piece: str) -> None:
        """Take a fragment of a call: of its JSON text, or of the free text that becomes one."""
        if item.call is None or not piece:
            return
        text = piece
        if item.form is Form.CUSTOM:
            text = ("" if item.said else _INPUT_START) + _escaped(piece)
        item.said.append(piece)
        self.chars += len(piece)
        self.sequencer.arguments(item.call, text)

    def done(self, raw: Mapping[str, Any], index: object) -> None:
        """Take a whole item: what its deltas left out is said now. Raises ProviderFailed for a call that contradicts them."""
        item = self.find(raw.get("id"), index, _string(raw.get("call_id"))) or self.added(raw, index)
        if item.is_done:
            return
        item.is_done = True
        match item.kind:
            case "message":
                self._message_done(item, raw)
            case "reasoning":
                self._reasoning_done(item, raw)
            case _ if item.call is not None:
                self._call_done(item, item.call, raw)

    def _message_done(self, item: SaidItem, raw: Mapping[str, Any]) -> None:
        parts = list(_parts(raw.get("content")))
        self.has_refused = self.has_refused or any(part.get("type") == "refusal" for part in parts)
        texts = (_string(part.get(_TEXTS.get(str(part.get("type")), ""))) for part in parts)
        rest = self._rest(item, "".join(texts))
        if rest is None:
            self.counts["conflicting_items"] += 1
        else:
            self.text(item, rest)
        self.sequencer.block_ended()

    def _reasoning_done(self, item: SaidItem, raw: Mapping[str, Any]) -> None:
        told = {key: [_string(part.get("text")) for part in _parts(raw.get(key))] for key in ("summary", "content")}
        key = item.part[0] if item.part is not None else next((key for key, texts in told.items() if any(texts)), "summary")
        if rest := self._rest(item, _PARAGRAPH.join(filter(None, told[key]))):
            item.part = item.part or (key, 0)
            self.thought(item, rest, item.part)
        if not self.shows_thinking:
            return
        encrypted = _string(raw.get("encrypted_content"))
        if encrypted and item.said:
            self.sequencer.signed(openai_signature(encrypted))
        elif encrypted:
            self.sequencer.redacted(openai_signature(encrypted))
        self.sequencer.block_ended()

    def _call_done(self, item: SaidItem, call: Call, raw: Mapping[str, Any]) -> None:
        if not call.name:
            call.id = call.id or _string(raw.get("call_id"))
            self.sequencer.named(call, self._name(raw, item.form))
        if item.form is Form.CUSTOM:
            rest = self._rest(item, _string(raw.get("input")))
            if rest is not None:
                self.arguments(item, rest)
                self.sequencer.arguments(call, _INPUT_END if item.said else _INPUT_START + _INPUT_END)
        else:
            whole = arguments_text(raw, item.form)
            rest = self._rest(item, whole)
            if rest is None and _is_same_json("".join(item.said), whole):
                rest = ""
            self.arguments(item, rest or "")
        if rest is None:
            raise bad_response(self.provider, "a tool call whose pieces differ from its final form")
        self.sequencer.end(call)

    def _rest(self, item: SaidItem, whole: str) -> str | None:
        """Return what the deltas left out of the whole; None where they said something else."""
        said = "".join(item.said)
        if not whole:  # servers that do not repeat what they have said
            return ""
        return whole.removeprefix(said) if whole.startswith(said) else None

    def _name(self, raw: Mapping[str, Any], form: Form) -> str:
        if form not in (Form.FUNCTION, Form.CUSTOM):
            return form.value
        name = _string(raw.get("name"))
        return self.book.flat(name, raw.get("namespace")) if name else ""


def _escaped(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]


def _is_same_json(one: str, other: str) -> bool:
    try:
        return bool(orjson.loads(one) == orjson.loads(other))
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return False


def _parts(value: object) -> Iterator[dict[str, Any]]:
    yield from (part for part in (value if isinstance(value, list) else ()) if isinstance(part, dict))


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
