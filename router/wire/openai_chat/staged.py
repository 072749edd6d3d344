"""Chat frames through a text stage, for clients of the same dialect: what no stage changes stays the bytes it was (wire.md 21).

The stage reads the text of a choice as neutral events. Where it lets a piece through as it came, the frame passes
untouched; else the chunk is written anew around what the stage said, with everything else that it held."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from attrs import define, field

from router.domain.events import NeutralEvent, Stopped, StopReason, TextDelta, ToolDelta, ToolDone, ToolStarted
from router.domain.frame import Frame
from router.wire.dialect import Minting
from router.wire.json_text import json_line, parse_object
from router.wire.openai_chat.stream import CALL_PREFIX, FINISH, REASONS, delta_of, text_of

_UNTOLD = "unknown"  # the finish reason of a choice that has none
_NATIVE = (ToolStarted(slot=0, id="", name=""), ToolDone(0))  # what a stage is told of a call that the upstream made itself


class TextStage(Protocol):
    """What stands between (router/guards/stages.py)."""

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        """Return what goes on for one event."""

    def release(self) -> Sequence[NeutralEvent]:
        """Return what is held, as it came."""


@define(kw_only=True)
class StagedChat:
    """One stream, or one whole reply. `new_stage` makes the stage of a choice: choices share nothing."""

    new_stage: Callable[[], TextStage]
    minting: Minting
    stop: StopReason | None = None  # after the stage, which may have found calls; None as long as the model goes on
    _choices: dict[int, _Choice] = field(factory=dict)
    _head: dict[str, Any] = field(factory=dict)  # id, model and so on of the last chunk, for those that are made here

    def edit(self, frame: Frame) -> Iterable[Frame]:
        """Return the frames that stand for one frame: itself, others, or none."""
        chunk = parse_object(frame.data)
        choices = chunk.get("choices") if chunk is not None else None
        if chunk is None or not isinstance(choices, list) or not choices:
            is_end = frame.data.lstrip().startswith(b"[DONE]")  # all that servers say which tell no reason for it
            return (*self._unfinished(), frame) if is_end else (frame,)
        self._head = {key: value for key, value in chunk.items() if key not in ("choices", "usage")}
        edited = [self._choice(choice) if isinstance(choice, dict) else (choice,) for choice in choices]
        if all(len(said) == 1 and said[0] is choice for said, choice in zip(edited, choices, strict=True)):
            return (frame,)
        frames = [_frame({**self._head, "choices": [choice]}) for said in edited for choice in said]
        if chunk.get("usage") is not None:  # it stood on a chunk that was written anew
            frames.append(_frame({**self._head, "choices": [], "usage": chunk["usage"]}))
        return frames

    def release(self) -> Iterable[Frame]:
        """Return frames with what is held, as it came: the stream has failed."""
        for index, choice in self._choices.items():
            for delta in (*_deltas(choice.stage.release(), self.minting), *choice.let_go()):
                yield _frame({**self._head, "choices": [{"index": index, "delta": delta, "finish_reason": None}]})

    def _unfinished(self) -> Iterable[Frame]:
        """Return frames with what is left of choices that end without a word."""
        for index, choice in self._choices.items():
            if choice.is_over:
                continue
            calls, own, ending = choice.calls, choice.let_go(), choice.feed_end(_UNTOLD)
            for delta in (*own, *_deltas(ending, self.minting)):
                yield _frame({**self._head, "choices": [{"index": index, "delta": delta, "finish_reason": None}]})
            if choice.calls > calls:  # a client runs calls only where it is told of them
                self.stop = StopReason.TOOL_USE
                yield _frame({**self._head, "choices": [{"index": index, "delta": {}, "finish_reason": FINISH[self.stop]}]})

    def edit_reply(self, document: dict[str, Any]) -> bool:
        """Change a whole reply in place; tell whether anything changed."""
        choices = document.get("choices")
        changes = [self._message(choice) for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
        return any(changes)

    def _choice(self, choice: dict[str, Any]) -> Sequence[dict[str, Any]]:
        """Return the choices, one per chunk, that stand for this one; itself where nothing changed."""
        of, delta, finish = self._of(choice), delta_of(choice), choice.get("finish_reason")
        text = text_of(delta.get("content"))
        said = of.feed_text(text)
        if native := delta.get("tool_calls"):
            said += of.feed_native()
        own = of.own_calls(native, is_over=bool(finish))
        ending = of.feed_end(finish)
        self.stop = next((event.reason for event in ending if isinstance(event, Stopped)), self.stop)
        is_same = said == ([TextDelta(text)] if text else []) and _passes(ending, finish)
        if is_same and not (of.calls and (native or own)):
            return (choice,)
        return self._rewritten(choice, [*said, *ending], own)

    def _rewritten(
        self, choice: dict[str, Any], events: Sequence[NeutralEvent], own: Sequence[dict[str, Any]]
    ) -> Sequence[dict[str, Any]]:
        index, finish = choice.get("index", 0), choice.get("finish_reason")
        rest = {key: value for key, value in delta_of(choice).items() if key not in ("content", "tool_calls") and value}
        deltas = _deltas(events, self.minting)
        if rest:
            deltas[:1] = [{**rest, **(deltas[0] if deltas else {})}]
        deltas += own
        chunks: list[dict[str, Any]] = [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
        if finish:
            others = {key: value for key, value in choice.items() if key not in ("delta", "message", "finish_reason")}
            chunks.append({**others, "delta": {}, "finish_reason": _finish_word(events, str(finish))})
        return chunks

    def _message(self, choice: dict[str, Any]) -> bool:
        message = choice.get("message")
        if not isinstance(message, dict):
            return False
        of, finish, native = self._of(choice), choice.get("finish_reason"), message.get("tool_calls")
        text = text_of(message.get("content"))
        events = [*(of.feed_native() if native else ()), *of.feed_text(text)]  # no text beside a call of its own is one
        events += of.feed_end(finish or "stop")
        said = "".join(event.text for event in events if isinstance(event, TextDelta))
        calls = _whole_calls(events, self.minting)
        if said == text and not calls:
            return False
        message["content"] = said or None
        if calls:
            message["tool_calls"] = [*calls, *(native or ())]
            choice["finish_reason"] = _finish_word(events, str(finish or "stop"))
        return True

    def _of(self, choice: Mapping[str, Any]) -> _Choice:
        index = choice.get("index", 0)
        index = index if isinstance(index, int) else 0
        if index not in self._choices:
            self._choices[index] = _Choice(stage=self.new_stage())
        return self._choices[index]


@define(eq=False)
class _Choice:
    """One choice on its way: its stage, the calls that the stage made of text, whether the upstream made some itself.

    Behind calls of text each of the upstream's own waits for the end: the stage may know it as one of those."""

    stage: TextStage
    calls: int = 0
    has_native: bool = False
    is_over: bool = False
    _own: int = 0  # of the upstream, that went on behind those
    _waiting: dict[tuple[int, str], list[dict[str, Any]]] = field(factory=dict)  # their fragments
    _ids: dict[int, str] = field(factory=dict)  # the id that was told last, by the upstream's index

    def feed_text(self, text: str) -> list[NeutralEvent]:
        return self._counted(self.stage.feed(TextDelta(text))) if text else []

    def feed_native(self) -> list[NeutralEvent]:
        """Tell the stage of a call that the upstream made itself: what it holds comes out as text."""
        if self.has_native:
            return []
        self.has_native = True
        return [event for told in _NATIVE for event in self.stage.feed(told) if isinstance(event, TextDelta)]

    def feed_end(self, finish: object) -> list[NeutralEvent]:
        self.is_over = self.is_over or bool(finish)
        return self._counted(self.stage.feed(Stopped(reason=_reason(finish)))) if finish else []

    def own_calls(self, native: object, *, is_over: bool) -> list[dict[str, Any]]:
        """Return the deltas with what goes on by now of the calls that the upstream makes itself."""
        fragments = native if isinstance(native, list) else []
        if not self.calls:
            return [{"tool_calls": fragments}] if fragments else []
        for fragment in fragments:
            if isinstance(fragment, dict):
                self._waiting.setdefault(self._call_of(fragment), []).append(fragment)
        return self.let_go() if is_over else []

    def let_go(self) -> list[dict[str, Any]]:
        """Return the deltas of the calls that have waited, without those that were made of text already."""
        waiting, self._waiting = self._waiting, {}
        deltas: list[dict[str, Any]] = []
        for fragments in waiting.values():
            if self._goes_on(fragments):
                deltas += [{"tool_calls": [{**fragment, "index": self.calls + self._own}]} for fragment in fragments]
                self._own += 1
        return deltas

    def _call_of(self, fragment: Mapping[str, Any]) -> tuple[int, str]:
        """Return the index and the id of a fragment's call: some servers number all calls alike, others tell an id once."""
        index, told = fragment.get("index"), fragment.get("id")
        index = index if isinstance(index, int) else 0
        if isinstance(told, str) and told:
            self._ids[index] = told
        return index, self._ids.get(index, "")

    def _goes_on(self, fragments: Sequence[dict[str, Any]]) -> bool:
        functions = [told for fragment in fragments if isinstance(told := fragment.get("function"), dict)]
        name = next((word for told in functions if isinstance(word := told.get("name"), str) and word), "")
        text = "".join(piece for told in functions if isinstance(piece := told.get("arguments"), str))
        call = (ToolStarted(slot=0, id="", name=name), ToolDelta(0, text), ToolDone(0))
        return any(isinstance(event, ToolStarted) for told in call for event in self.stage.feed(told))

    def _counted(self, events: Sequence[NeutralEvent]) -> list[NeutralEvent]:
        self.calls += sum(isinstance(event, ToolStarted) for event in events)
        return list(events)


def _reason(finish: object) -> StopReason:
    return REASONS.get(str(finish), StopReason.UNKNOWN)


def _passes(ending: Sequence[NeutralEvent], finish: object) -> bool:
    """Tell whether the end came through the stage as it was, with nothing in front of it."""
    return list(ending) == ([Stopped(reason=_reason(finish))] if finish else [])


def _finish_word(events: Sequence[NeutralEvent], finish: str) -> str:
    """Return the finish reason after the stage: the upstream's own word where the stage has not changed it."""
    last = events[-1] if events else None
    return FINISH[last.reason] if isinstance(last, Stopped) and last.reason is not _reason(finish) else finish


def _deltas(events: Iterable[NeutralEvent], minting: Minting) -> list[dict[str, Any]]:
    """Return the deltas that say the events."""
    deltas: list[dict[str, Any]] = []
    for event in events:
        match event:
            case TextDelta(text):
                deltas.append({"content": text})
            case ToolStarted():
                function = {"name": event.name, "arguments": ""}
                call = {"index": event.slot, "id": event.id or minting.new_id(CALL_PREFIX), "type": "function"}
                deltas.append({"tool_calls": [{**call, "function": function}]})
            case ToolDelta(slot, json_text):
                deltas.append({"tool_calls": [{"index": slot, "function": {"arguments": json_text}}]})
            case _:
                pass
    return deltas


def _whole_calls(events: Iterable[NeutralEvent], minting: Minting) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    for event in events:
        if isinstance(event, ToolStarted):
            call_id = event.id or minting.new_id(CALL_PREFIX)
            calls.append({"id": call_id, "type": "function", "function": {"name": event.name, "arguments": ""}})
        elif isinstance(event, ToolDelta):
            calls[-1]["function"]["arguments"] += event.json_text
    return calls


def _frame(chunk: Mapping[str, Any]) -> Frame:
    data = json_line(chunk)
    return Frame(raw=b"data: " + data + b"\n\n", data=data)
