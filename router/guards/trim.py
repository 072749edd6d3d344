"""Which messages go when a conversation is too long (supervision.md 2.4): from the front, and never half of a tool call.

    unit    a message and every message tied to it by a call and its result; kept or taken as a whole
    lead    the newest message of the user in front of what is kept: the task that the kept tool rounds work on. It stays,
            so that an agent's conversation (one task, a hundred rounds) loses its oldest rounds and not its purpose
    step    cuts are made in steps, so that the same messages are cut from turn to turn while a conversation grows by less
            than one step, and the provider's prompt cache stays of use

Every function here takes time in proportion to the messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from attrs import define, field, frozen

from router.domain.messages import Block, Message, Opaque, Role, Text, ToolResult, ToolUse
from router.guards.tokens import DEFAULT, Measure, RequestMeasures, Weights, measure_message

PLACEHOLDER = "[The earlier part of this conversation was cut, because it no longer fits into the model's context window.]"
FLOOR = 2  # messages at the end that are never cut, however long they are


@frozen(kw_only=True)
class Limits:
    """What a cut aims at, in tokens of the whole request. `step` 0: as few messages as possible are cut.

    `target` where the rest can be brought below it; else `near`, else `most`, which is all the room there is."""

    target: int
    near: int
    most: int
    step: int = 0


@frozen(kw_only=True)
class Cut:
    """What goes: indices of the messages, ascending; a text to put in front where no message of the user leads; what is left."""

    removed: tuple[int, ...] = ()
    synthetic: str | None = None
    after: int


def cut_from_front(
    messages: Sequence[Message],
    measures: RequestMeasures,
    limits: Limits,
    *,
    preserve_last_n: int,
    weights: Weights = DEFAULT,
) -> Cut:
    """Return the smallest cut that brings the request below what is reachable of the limits.

    The last `preserve_last_n` messages stay, with what is tied to them; fewer, down to FLOOR, only if nothing else helps."""
    if not messages:
        return Cut(after=measures.rest.count(weights))
    walk = _Walk(messages=messages, measures=measures, weights=weights)
    order = list(_order(tied_units(messages), len(messages), preserve_last_n))
    floor = walk.count_floor(order)
    aim = next((aim for aim in (limits.target, limits.near, limits.most) if floor <= aim), None)
    if aim is None:
        return walk.cut_all(order)
    if walk.count_whole() <= aim:
        return Cut(after=walk.count_whole())
    goal = walk.goal(aim, limits.step if aim == limits.target else 0)
    return walk.cut_until(order, aim, goal) or walk.cut_led_by_another(order, aim, goal)


def tied_units(messages: Sequence[Message]) -> list[int]:
    """Return for each message the index of the first one that it is tied to; its own where there is none before it.

    A result is tied to the latest call of its id before it: servers that count calls per answer repeat ids from turn to
    turn, and pairs of different turns must not become one unit."""
    heads = list(range(len(messages)))
    calls: dict[str, int] = {}
    for index, message in enumerate(messages):
        for block in message.content:
            if (call_id := _call_of(block)) is not None:
                calls[call_id] = index
            elif (answer := _answer_of(block)) is not None and answer in calls:
                _tie(heads, calls[answer], index)
    return [_head(heads, index) for index in range(len(messages))]


def is_clean(message: Message) -> bool:
    """Tell whether a conversation can begin with the message: words or files of the user, and no tool result."""
    return (
        message.role is Role.USER
        and not any(isinstance(block, ToolResult) for block in message.content)
        and any(not isinstance(block, Text) or block.text.strip() for block in message.content)
    )


@frozen
class _Removable:
    """A unit, and how many of the messages to preserve have to be given up for it: 0 for none."""

    members: tuple[int, ...]
    stage: int


@define(kw_only=True)
class _Walk:
    """Takes units away one after the other, and keeps the measure of what is left."""

    messages: Sequence[Message]
    measures: RequestMeasures
    weights: Weights
    _whole: Measure = field(init=False)
    _placeholder: Measure = field(init=False)
    _left: Measure = field(init=False)
    _is_removed: list[bool] = field(init=False)
    _head: int = field(init=False, default=0)  # the first message that is left
    _lead: int | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._whole = sum(self.measures.messages, self.measures.rest)
        self._placeholder = measure_message(Message(role=Role.USER, content=(Text(PLACEHOLDER),)), self.weights)
        self._restart()

    def count_whole(self) -> int:
        """Return the tokens of the whole request."""
        return self._whole.count(self.weights)

    def count_floor(self, order: Sequence[_Removable]) -> int:
        """Return the tokens of what can never be taken."""
        self._restart()
        for unit in order:
            self._remove(unit)
        return self._count(with_lead=False)

    def goal(self, aim: int, step: int) -> int:
        """Return how many tokens to take: what is above the aim, in whole steps."""
        above = self.count_whole() - aim
        return ceil(above / step) * step if step > 0 else above

    def cut_until(self, order: Sequence[_Removable], aim: int, goal: int, *, with_lead: bool = True) -> Cut | None:
        """Return the first cut that meets the aim, and the goal where no preserved message is needed for that; None without."""
        self._restart()
        whole, stage = self.count_whole(), 0
        for unit in order:
            if unit.stage > stage and self._count(with_lead=with_lead) <= aim:
                break
            stage = unit.stage
            self._remove(unit)
            count = self._count(with_lead=with_lead)
            if self._may_begin() and count <= aim and (stage > 0 or whole - count >= goal):
                break
        return self._cut(with_lead=with_lead) if self._count(with_lead=with_lead) <= aim else None

    def cut_led_by_another(self, order: Sequence[_Removable], aim: int, goal: int) -> Cut:
        """Return the cut where the message that should lead is too long: an older one leads, or the placeholder."""
        self.cut_until(order, aim, goal, with_lead=False)
        older = (index for index in reversed(range(self._head)) if is_clean(self.messages[index]))
        fitting = (index for index in older if (self._left + self.measures.messages[index]).count(self.weights) <= aim)
        self._lead = next(fitting, None)
        return self._cut(with_lead=True)

    def cut_all(self, order: Sequence[_Removable]) -> Cut:
        """Return the cut that leaves what can never be taken: too much still."""
        self.count_floor(order)
        return self._cut(with_lead=False)

    def _restart(self) -> None:
        self._left = self._whole
        self._is_removed = [False] * len(self.messages)
        self._head, self._lead = 0, None

    def _remove(self, unit: _Removable) -> None:
        for index in unit.members:
            self._is_removed[index] = True
            self._left -= self.measures.messages[index]
        while self._is_removed[self._head]:  # the last messages are in no unit that can be taken
            if is_clean(self.messages[self._head]):
                self._lead = self._head
            self._head += 1

    def _may_begin(self) -> bool:
        """Tell whether what is left begins with words of the user, or with what they can be put in front of."""
        head = self.messages[self._head]
        return head.role is not Role.USER or is_clean(head)

    def _count(self, *, with_lead: bool) -> int:
        """Return the tokens of what is left, with what leads it."""
        left = self._left
        if self.messages[self._head].role is not Role.USER:
            left += self._leading(self._lead if with_lead else None)
        return left.count(self.weights)

    def _leading(self, index: int | None) -> Measure:
        return self._placeholder if index is None else self.measures.messages[index]

    def _cut(self, *, with_lead: bool) -> Cut:
        needs_lead = self.messages[self._head].role is not Role.USER
        lead = self._lead if needs_lead and with_lead else None
        removed = tuple(index for index, is_removed in enumerate(self._is_removed) if is_removed and index != lead)
        if not removed:
            return Cut(after=self.count_whole())
        text = PLACEHOLDER if needs_lead and lead is None else None
        return Cut(removed=removed, synthetic=text, after=self._count(with_lead=with_lead))


def _order(heads: Sequence[int], count: int, preserve_last_n: int) -> Iterator[_Removable]:
    """Yield the units that may be taken, in that order: the oldest first, those at the end last."""
    members: dict[int, list[int]] = {}
    for index, head in enumerate(heads):
        members.setdefault(head, []).append(index)
    kept_from = count - preserve_last_n
    units = [_Removable(tuple(found), max(0, found[-1] - kept_from + 1)) for found in members.values()]
    floor = min(FLOOR, preserve_last_n)
    takeable = (unit for unit in units if unit.members[-1] < count - floor)
    yield from sorted(takeable, key=lambda unit: (unit.stage, unit.members[0]))


def _call_of(block: Block) -> str | None:
    """Return the id of the call that the block is; of a call that the vendor itself serves, too."""
    if isinstance(block, ToolUse):
        return block.id
    return _member(block, "id") if isinstance(block, Opaque) and block.kind.endswith("tool_use") else None


def _answer_of(block: Block) -> str | None:
    """Return the id of the call that the block answers."""
    if isinstance(block, ToolResult):
        return block.call_id
    return _member(block, "tool_use_id") if isinstance(block, Opaque) else None


def _member(block: Opaque, key: str) -> str | None:
    value = block.raw.get(key)
    return value if isinstance(value, str) else None


def _tie(heads: list[int], first: int, second: int) -> None:
    one, other = _head(heads, first), _head(heads, second)
    heads[max(one, other)] = min(one, other)


def _head(heads: list[int], index: int) -> int:
    """Return the first message of the unit, and shorten the way to it."""
    while heads[index] != index:
        heads[index] = heads[heads[index]]
        index = heads[index]
    return index
