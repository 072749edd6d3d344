"""A conversation in the order that upstreams ask for: turns of alternating speakers, every call answered (wire.md 5, 6).

What a client may send and an upstream may refuse is put right here, before any dialect writes it: turns of one role
in a row, instructions in the middle, calls without result, results without call, ids that repeat or cannot be sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from attrs import define, evolve, field

from router.domain.messages import Block, Image, Message, Role, Text, Thinking, ToolResult, ToolUse
from router.domain.request import Note
from router.wire.media import image_elsewhere
from router.wire.tool_names import numbered_id, sendable_id

NO_RESULT = "[no result recorded]"

_MISPLACED = {Role.USER: (ToolUse, Thinking), Role.ASSISTANT: (ToolResult,), Role.SYSTEM: (ToolUse, ToolResult, Thinking)}

Sendable = Callable[[str], str]
_OpenCalls = dict[str, deque[ToolUse]]  # by the client's id: the renamed calls that wait for a result, oldest first


@define
class Turn:
    """What one role says until the other one speaks. `results` answer the calls of the assistant's turn before."""

    role: Role
    blocks: list[Block]
    results: list[ToolResult] = field(factory=list)


def arrange(
    messages: Iterable[Message],
    fit: Callable[[Block], Block | None],
    notes: list[Note],
    *,
    keeps_empty: bool,
    sendable: Sendable = sendable_id,
) -> list[Turn]:
    """Return the conversation as turns: user and assistant alternate, and results answer all calls and nothing else.

    `fit` changes or leaves out single blocks, `sendable` gives a call's id the form that the upstream takes. An assistant's
    turn of which nothing is left between two user turns stays as an empty one if `keeps_empty`, else the user turns become
    one."""
    return _pair(_alternate(messages, fit, notes, keeps_empty=keeps_empty), notes, sendable)


def result_text(result: ToolResult) -> str:
    """Return the texts of a result, one per line, marked if it is an error and does not say so itself."""
    lines = [_line(block) for block in result.content if isinstance(block, Text | Image)]
    text = "\n".join(lines)
    return f"Error: {text}" if result.is_error and not text.startswith("Error: ") else text


def result_media(result: ToolResult) -> list[Block]:
    """Return what `result_text` cannot hold: the images, which follow it in the conversation."""
    return [block for block in result.content if not isinstance(block, Text)]


def ask_for_begun(turns: list[Turn]) -> None:
    """Turn the answer that the client began, the last turn, into words that ask for one that begins so."""
    begun = turns.pop()
    texts = [block.text for block in begun.blocks if isinstance(block, Text)]
    if not texts:
        return
    if not turns:
        turns.append(Turn(Role.USER, []))
    turns[-1].blocks.append(Text("Begin your answer with exactly this text and go on from there:\n" + "\n".join(texts)))


def _alternate(
    messages: Iterable[Message], fit: Callable[[Block], Block | None], notes: list[Note], *, keeps_empty: bool
) -> list[Turn]:
    turns: list[Turn] = []
    reminders: list[Block] = []
    for message in messages:
        blocks = [fitted for block in message.content if (fitted := fit(block)) is not None]
        if any(isinstance(block, _MISPLACED[message.role]) for block in blocks):
            blocks = _without_misplaced(message.role, blocks, notes)
        if message.role is Role.SYSTEM:
            reminders += map(_as_reminder, blocks)
            continue
        if reminders:
            _say(turns, Role.USER, reminders)
            reminders = []
        if not blocks and keeps_empty and message.role is Role.ASSISTANT and turns and turns[-1].role is Role.USER:
            turns.append(Turn(Role.ASSISTANT, []))
        _say(turns, message.role, blocks)
    _say(turns, Role.USER, reminders)
    if turns and turns[-1].role is Role.ASSISTANT and not turns[-1].blocks:
        turns.pop()
    return turns


def _without_misplaced(role: Role, blocks: list[Block], notes: list[Note]) -> list[Block]:
    kept: list[Block] = []
    for block in blocks:
        if isinstance(block, _MISPLACED[role]):
            notes.append(Note(path=block.path, reason=f"not allowed in a message of {role}", kind="item"))
        else:
            kept.append(block)
    return kept


def _say(turns: list[Turn], role: Role, blocks: list[Block]) -> None:
    if turns and turns[-1].role is role:
        turns[-1].blocks += blocks
    elif blocks:
        turns.append(Turn(role, blocks))


def _as_reminder(block: Block) -> Block:
    """Mark an instruction that stands between turns, so that it keeps its place and the prompt's head its bytes."""
    return Text(f"<system-reminder>\n{block.text}\n</system-reminder>") if isinstance(block, Text) else block


def _pair(turns: list[Turn], notes: list[Note], sendable: Sendable) -> list[Turn]:
    paired: list[Turn] = []
    used: dict[str, int] = {}
    calls: _OpenCalls = {}
    for turn in turns:
        if turn.role is Role.ASSISTANT:
            calls = _rename_calls(turn, used, sendable)
        else:
            _take_results(turn, calls, notes)
            _answer_rest(turn, calls, notes)
            calls = {}
        paired.append(turn)
    if calls:
        last = Turn(Role.USER, [])
        _answer_rest(last, calls, notes)
        paired.append(last)
    return paired


def _rename_calls(turn: Turn, used: dict[str, int], sendable: Sendable) -> _OpenCalls:
    """Give each call of the turn an id that can be sent and that no earlier call has; return the calls as open."""
    calls: _OpenCalls = {}
    for index, block in enumerate(turn.blocks):
        if isinstance(block, ToolUse):
            new_id = _unused_id(sendable(block.id), used, sendable)
            call = block if new_id == block.id else evolve(block, id=new_id)
            turn.blocks[index] = call
            calls.setdefault(block.id, deque()).append(call)
    return calls


def _unused_id(call_id: str, used: dict[str, int], sendable: Sendable) -> str:
    """Return the id, or it with a number where an earlier call has it.

    Over the whole conversation: servers that count calls per answer repeat ids from turn to turn. `used` keeps, for
    each id sent, how often it was asked for."""
    numbered = call_id
    while numbered in used:
        used[call_id] += 1
        numbered = numbered_id(call_id, used[call_id], sendable)
    used[numbered] = 1
    return numbered


def _take_results(turn: Turn, calls: _OpenCalls, notes: list[Note]) -> None:
    """Move the results of open calls to the head of the turn; others become text where they stand."""
    if not any(isinstance(block, ToolResult) for block in turn.blocks):
        return
    blocks: list[Block] = []
    for block in turn.blocks:
        if not isinstance(block, ToolResult):
            blocks.append(block)
        elif waiting := calls.get(block.call_id):
            call_id = waiting.popleft().id
            turn.results.append(block if call_id == block.call_id else evolve(block, call_id=call_id))
        else:
            notes.append(Note(path=block.path, reason="unpaired tool result turned into text", kind="item"))
            blocks.append(Text(f"[result of an earlier tool call {block.call_id}]\n{result_text(block)}"))
            blocks += result_media(block)
    turn.blocks = blocks


def _line(block: Text | Image) -> str:
    return block.text if isinstance(block, Text) else image_elsewhere(block)


def _answer_rest(turn: Turn, calls: _OpenCalls, notes: list[Note]) -> None:
    for waiting in calls.values():
        for call in waiting:
            notes.append(Note(path=call.path, reason="no result recorded", kind="item"))
            turn.results.append(ToolResult(call_id=call.id, content=(Text(NO_RESULT),)))
