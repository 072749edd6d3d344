"""The scanner: shields, candidates and guards over one text, from left to right (wire.md 14.4, 14.5, 14.8).

`Scanner.steps` is one generator for the whole of an answer. It decides text as early as it can: prose at once, a shield
(code, quotes, reasoning) while it goes on, a tagged candidate at its end, a plain one at the end of the text."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from attrs import define, field

from router.guards.repair_cues import Around, is_code, words_follow
from router.guards.repair_native import same
from router.guards.repair_plain import bare_json, begins_calls, begins_object, begins_syntax, call_lines, fits, whole_calls
from router.guards.repair_reading import MAX_HELD, HeldTooMuch, Outcome, Reading, Steps
from router.guards.repair_rules import RepairRules
from router.guards.repair_skim import BEFORE_JSON, ORPHANS, REASONING_BEGINS, REASONING_ENDS, TAG_NAME, next_place
from router.guards.repair_tagged import CLOSERS, FUNCTOOLS, MISTRAL, OPENERS, array_of_calls, mistral, tagged
from router.guards.repair_tools import RepairedCall
from router.guards.repair_xml import named_tag

MAX_CALLS = 32
_MAX_CANDIDATES = 128  # of which each costs a look at the lines before it
_MAX_OPEN = 8  # candidates that ran to the end of the text: each is one more pass over it

_LONGEST_END = max(map(len, ORPHANS))

_DATA = ("", "text", "plaintext", "json", "json5", "jsonc", "jsonl", "xml")
_FENCE_WORDS = frozenset((*_DATA, "tool_call", "tool_calls", "tool_code", "tool", "function"))
_TICKS = re.compile(r"`*+")
_TILDES = re.compile(r"~*+")
_FENCE = 3
_INFO = re.compile(r"[^\n`]*+")
_LINE_END = re.compile(r"(?=\n)")
_NEW_LINE = re.compile(r"\n")
_INDENTED_CODE = 4  # columns
_MAX_CLOSING_LINE = 80  # characters of the line that closes a fence


@define
class Scanner:
    """One answer's. `is_idle` while all text is decided and nothing but the next suspicious character matters."""

    reading: Reading
    rules: RepairRules
    is_idle: bool = False
    _seen: set[tuple[str, bytes]] = field(factory=set)
    _candidates: int = 0
    _open: int = 0
    _shown_words: int = 0  # of the reading, when the last call that is only shown had been kept

    def steps(self) -> Steps[None]:
        """Decide the text as it comes, to its end. Raises HeldTooMuch over a limit of wire.md 14.2."""
        reading = self.reading
        yield from self._line_head()
        while True:
            found = next_place(reading, self.rules)
            if found is None:
                reading.keep(len(reading.text))
                self.is_idle = True
                if not (yield from reading.more()):
                    return
                self.is_idle = False
                continue
            reading.keep(found.start())
            run = len(found[0])
            match found[0][0]:
                case "\n":
                    reading.keep(reading.at + 1)
                    yield from self._line_head()
                case "<":
                    reading.keep(reading.at + run - 1)
                    yield from self._tag()
                case "[":
                    reading.keep(reading.at + run - 1)
                    yield from self._bracket()
                case "`":
                    yield from self._ticks(_TICKS)
                case "{" if run <= 2:  # noqa: PLR2004 -- an object, or one with doubled braces
                    yield from self._bracket()
                case _:
                    reading.keep(reading.at + run)

    def _line_head(self) -> Steps[None]:
        """Decide what only the beginning of a line may be: a quote, a fence, call syntax."""
        reading = self.reading
        reading.keep((yield from reading.skip(reading.at)))
        head = reading.text[reading.at : reading.at + 1]
        if head == ">":
            yield from self._shield(_LINE_END, longest=0)
        elif head == "`":
            yield from self._ticks(_TICKS)
        elif head == "~":
            end = yield from reading.word(_TILDES, reading.at)
            if end - reading.at >= _FENCE:
                yield from self._ticks(_TILDES)
        elif head.isidentifier():
            yield from self._call_line()

    # -- shields

    def _shield(self, end: re.Pattern[str], *, longest: int, before: str = "") -> Steps[None]:
        """Keep all text up to the end of the first match, of which no more than `longest` characters matter.

        What is kept is gone: a match may look no further than one character ahead.
        `before` is what stands before it and may be looked back on, but is no part of a match."""
        reading = self.reading
        found = end.search(reading.text, reading.at)
        if found is not None:
            reading.keep(found.end())
            return
        tail, start = before, len(before)
        while True:
            text = tail + reading.text[reading.at :]
            found = end.search(text, start)
            if found is not None:
                reading.keep(reading.at + found.end() - len(tail))
                return
            reading.keep(len(reading.text))
            tail = text[-longest:] if longest else ""
            # a match from the first character of a full tail on would have been found before
            start = max(0, start - (len(text) - len(tail)), len(tail) - longest + 1 if longest else 0)
            if not (yield from reading.more()):
                return

    def _ticks(self, run: re.Pattern[str]) -> Steps[None]:
        """Decide a fence or a span of code."""
        reading = self.reading
        at = reading.at
        end = yield from reading.word(run, at)
        mark = reading.text[at:end]
        if len(mark) >= _FENCE:
            line_end = yield from reading.word(_INFO, end)
            if reading.text[line_end : line_end + 1] in ("\n", ""):
                yield from self._fence(mark, reading.text[end:line_end], line_end)
                return
        elif not Around.of(reading.recent).line.strip() and (yield from self._lone_span(mark)):
            return
        reading.keep(end)
        close = re.compile(rf"(?<!`){mark}(?=[^`])|(?=\n)")
        yield from self._shield(close, longest=len(mark) + 1, before=mark)

    def _lone_span(self, mark: str) -> Steps[bool]:
        """Take the calls of a span of code that is alone on its line; False if it is not that."""
        reading = self.reading
        begin = reading.at + len(mark)
        if not (yield from begins_calls(reading, begin, self.rules)) or self._is_told():
            return False
        found = yield from reading.find(_NEW_LINE, begin, longest=1)
        stop = found.start() if found else len(reading.text)
        span = reading.text[begin:stop].rstrip()
        inner = span.removesuffix(mark)
        if inner == span or mark in inner:
            return False
        calls = whole_calls(inner, self.rules, is_cut=False)
        if not calls:
            return False
        yield from reading.rest()
        if self._is_within(Around.of(reading.recent), stop):
            return False
        yield from self._accept(Outcome(stop, calls))
        return True

    def _fence(self, mark: str, info: str, line_end: int) -> Steps[None]:
        """Take the calls that the body of a fence consists of, or keep the fence."""
        reading = self.reading
        escaped = re.escape(mark)
        if next(iter(info.lower().split()), "") in _FENCE_WORDS:
            begin = yield from reading.skip(line_end)
            if (yield from begins_calls(reading, begin, self.rules)) and not self._is_told():
                closing = re.compile(rf"(?:\n[ \t]{{0,12}}|(?<=[}}\])>])){escaped}")
                found = yield from reading.find(closing, begin, longest=len(mark) + 13)
                stop = found.start() if found else len(reading.text)
                calls = whole_calls(reading.text[begin:stop], self.rules, is_cut=reading.is_cut and not found)
                if calls and not self._is_shown(calls, reading.text[begin:stop].lstrip("[ \t\r\n")):
                    yield from reading.rest()
                    end = found.end() if found else stop
                    if not self._is_within(Around.of(reading.recent), end):
                        yield from self._accept(Outcome(end, calls))
                        return
        reading.keep(line_end)
        closing_line = re.compile(rf"\n[ \t]*{escaped}{re.escape(mark[0])}*[ \t\r]*(?=\n)")
        yield from self._shield(closing_line, longest=_MAX_CLOSING_LINE)

    # -- candidates

    def _tag(self) -> Steps[None]:
        reading = self.reading
        at = reading.at
        if begin := (yield from reading.starts(at, *REASONING_BEGINS)):
            reading.keep(at + len(begin))
            yield from self._shield(REASONING_ENDS[begin], longest=_LONGEST_END)
            yield from self._new_context()
            return
        if orphan := (yield from reading.starts(at, *ORPHANS)):
            reading.keep(at + len(orphan))
            yield from self._new_context()
            return
        if (yield from reading.starts(at, *OPENERS)):
            yield from self._marked(tagged(reading, at, self.rules.tools))
            return
        outcome = None if self.rules.is_strict else (yield from self._named())
        yield from self._apply(outcome)

    def _named(self) -> Steps[Outcome | None]:
        """Return what a tag says that is named like a tool."""
        reading = self.reading
        begin = reading.at + 1
        while True:
            end = TAG_NAME.match(reading.text, begin).end()  # type: ignore[union-attr] # a repetition matches everywhere
            name = reading.text[begin:end]
            if not self.rules.tools.may_be_tag(name):
                return None
            if end < len(reading.text):
                break
            if not (yield from reading.more()):
                return None
        shape = self.rules.tools.tag(name)
        around = Around.of(reading.recent)
        if shape is None or self._is_told() or self._is_quoted(around):
            return None
        outcome = yield from named_tag(reading, end, shape)
        if outcome is None or not outcome.calls:
            return outcome
        is_text = not fits(outcome.calls, self.rules) or (yield from self._is_part(around, outcome.end))
        return Outcome(outcome.end) if is_text else outcome

    def _bracket(self) -> Steps[None]:
        reading = self.reading
        at = reading.at
        if reading.text[at] == "[" and (yield from reading.starts(at, MISTRAL)):
            yield from self._marked(mistral(reading, at + len(MISTRAL), self.rules.tools))
            return
        before = reading.recent[-1:]
        may_begin = not self.rules.is_strict and (not before or before in BEFORE_JSON)
        around = Around.of(reading.recent) if may_begin else None
        if around is None or not around.may_begin_json():
            reading.keep(at + 1)
            return
        inner = (yield from reading.skip(at + 1)) if reading.text[at] == "[" else at
        if not reading.text.startswith("{", inner):
            yield from self._apply(None if around.line.strip() else (yield from self._lines(inner)))
            return
        yield from self._apply((yield from self._json(inner, around)))

    def _json(self, first: int, around: Around) -> Steps[Outcome | None]:
        """Return what the JSON at the reading's place says, whose first object stands at `first`."""
        reading = self.reading
        if not (yield from begins_object(reading, first, self.rules.tools)):
            return None
        if not self.rules.is_eager and (around.is_document() or self._is_told()):
            return None
        outcome = yield from bare_json(reading, reading.at, self.rules)
        if not outcome.calls:
            return outcome
        yield from reading.rest()
        line_end = reading.text.find("\n", outcome.end)
        rest = reading.text[outcome.end : line_end if line_end >= 0 else len(reading.text)]
        is_text = (not self.rules.is_eager and words_follow(rest)) or self._is_within(around, outcome.end)
        return Outcome(outcome.end) if is_text else outcome

    def _call_line(self) -> Steps[None]:
        reading = self.reading
        at = reading.at
        if reading.text[at] == FUNCTOOLS[0] and (yield from reading.starts(at, FUNCTOOLS + "[")):
            yield from self._marked(array_of_calls(reading, at + len(FUNCTOOLS), self.rules.tools))
        elif not self.rules.is_strict and (outcome := (yield from self._lines(at))):
            yield from self._apply(outcome)

    def _lines(self, first: int) -> Steps[Outcome | None]:
        """Return what the call syntax at the reading's place says, whose first name stands at `first`."""
        reading = self.reading
        if not (yield from begins_syntax(reading, first, self.rules.tools)):
            return None
        around = Around.of(reading.recent)
        is_code_before = len(around.line.expandtabs()) >= _INDENTED_CODE or around.is_in_code()
        if not self.rules.is_eager and (is_code_before or self._is_told()):
            return None
        outcome = yield from call_lines(reading, reading.at, self.rules)
        if outcome is None or not outcome.calls:
            return outcome
        yield from reading.rest()
        lines = reading.text[outcome.end : outcome.end + MAX_HELD].split("\n", 2)
        follows = lines[1] if len(lines) > 1 else ""
        is_text = (not self.rules.is_eager and is_code(follows)) or self._is_within(around, outcome.end)
        return Outcome(outcome.end) if is_text else outcome

    # -- guards and results

    def _is_told(self) -> bool:
        """Tell whether the words before say that what begins here is shown or told of."""
        self._count_candidate()
        return not self.rules.is_eager and Around.of(self.reading.recent).is_told(self._names)

    def _is_quoted(self, around: Around) -> bool:
        self._count_candidate()
        return not self.rules.is_eager and around.is_quoted()

    def _is_part(self, around: Around, end: int) -> Steps[bool]:
        """Tell whether a candidate that ends at `end` is part of a sentence, waiting for no more than one character."""
        if self.rules.is_eager or not around.is_left_open(self._names):
            return False
        reading = self.reading
        while (closed := (yield from self._closer_end(end))) is not None:
            end = closed
        behind = yield from reading.skip(end)
        return around.is_part(reading.text[end:behind], reading.text[behind : behind + 1], self._names)

    def _is_within(self, around: Around, end: int) -> bool:
        """Tell the same of a candidate that nothing marks, where all of the text is there; also of a turn that was answered."""
        if self.rules.is_eager:
            return False
        rest = self.reading.text[end : end + MAX_HELD]
        following = rest.lstrip()
        gap = rest[: len(rest) - len(following)]
        return around.is_part(gap, following, self._names) or around.is_turn(following, self._names)

    @property
    def _names(self) -> Container[str]:
        return self.rules.tools.by_case

    def _is_shown(self, calls: Sequence[RepairedCall], body: str) -> bool:
        """Tell whether call syntax in a fence is shown as code by the line above."""
        if body[:1] in "{<" or self.rules.is_eager:
            return False
        return Around.of(self.reading.recent).shows_code(calls[0].name)

    def _count_candidate(self) -> None:
        self._candidates += 1
        if self._candidates > _MAX_CANDIDATES:
            raise HeldTooMuch

    def _new_context(self) -> Steps[None]:
        """Go on as at the beginning of an answer: reasoning is over."""
        self.reading.recent = ""
        yield from self._line_head()

    def _apply(self, outcome: Outcome | None) -> Steps[None]:
        """Do what a recogniser said of the text at the reading's place."""
        reading = self.reading
        if outcome is not None and outcome.end - reading.at > MAX_HELD:
            raise HeldTooMuch
        if outcome is not None and outcome.calls:
            yield from self._accept(outcome)
        elif outcome is None:
            reading.keep(reading.at + 1)
        elif outcome.is_open:
            self._open += 1
            if self._open > _MAX_OPEN:
                raise HeldTooMuch
            reading.keep(reading.at + 1)
        else:
            reading.keep(max(outcome.end, reading.at + 1))

    def _marked(self, steps: Steps[Outcome | None]) -> Steps[None]:
        """Do what the recogniser of a tagged form says, but keep all of it where it is shown or quoted."""
        reading = self.reading
        around = Around.of(reading.recent)
        is_shown = self._is_quoted(around) or self._shown_words == reading.words > 0
        is_shown = is_shown or (not self.rules.is_eager and around.is_reported(self._names))
        outcome = yield from steps
        if not is_shown and outcome is not None and outcome.calls:
            is_shown = yield from self._is_part(around, outcome.end)
        if not is_shown or outcome is None or not outcome.calls:
            yield from self._apply(outcome)
            return
        reading.keep(outcome.end)
        while (end := (yield from self._closer_end(reading.at))) is not None:
            reading.keep(end)
        self._shown_words = reading.words

    def _accept(self, outcome: Outcome) -> Steps[None]:
        """Take the calls, then the closing tags that are left of their containers."""
        reading = self.reading
        reading.take(outcome.end, self._new(outcome.calls))
        while (end := (yield from self._closer_end(reading.at))) is not None:
            reading.take(end, ())

    def _closer_end(self, at: int) -> Steps[int | None]:
        """Return the end of the closing tag that comes next from `at` on, None if none does."""
        at = yield from self.reading.skip(at)
        closer = yield from self.reading.starts(at, *CLOSERS)
        return None if closer is None else at + len(closer)

    def _new(self, calls: Sequence[RepairedCall]) -> tuple[RepairedCall, ...]:
        """Return the calls that were not made before, as many as are allowed."""
        new: list[RepairedCall] = []
        for call in calls:
            key = same(call.name, call.input)
            if key not in self._seen and (self.rules.parallel or not self._seen):
                self._seen.add(key)
                new.append(call)
        if len(self._seen) > MAX_CALLS:
            raise HeldTooMuch
        return tuple(new)
