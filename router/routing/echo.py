"""Whether a continuing provider first says again what it was given (see `seam.py` for what follows from that)."""

from __future__ import annotations

from attrs import define, field

# So many characters make an echo. The rest of an ordinary answer begins with far fewer of those that stand right before
# it, runs aside (`python -m tests.router.routing.seam_figures` has the figure), and a sentence that is worth beginning
# anew is longer.
MIN_ECHO = 24
# How far back the last words that are said again may begin; the cost of looking grows with its square.
WINDOW = 2048

_SHORT = "an echo of so little text cannot be distinguished from a repetition"
_REPEATED = "an echo cannot be distinguished from a repetition here"
_RESTARTED = "the next provider restarted the answer with different text"


@define
class Echo:
    """Follows the text that answers `sent`, while it can still be an echo of all or the end of it."""

    sent: str
    _body: str = field(init=False)
    _at: int = -1  # the first place in the body where all that was said so far stands
    _size: int = 0  # of that

    def __attrs_post_init__(self) -> None:
        self._body = self.sent.lstrip()  # white space in front is what servers trim

    def follow(self, text: str) -> bool:
        """Take the next piece; tell whether more is needed to judge."""
        body, size = self._body, self._size
        if not size:
            text = text.lstrip()
        if not text or not body:
            return bool(body)
        grown = size + len(text)
        if size and (self._at + grown > len(body) or body.startswith(text, self._at + size)):
            self._size = grown
            return self._at + grown < len(body)
        if size > WINDOW:
            return False
        said = body[self._at : self._at + size] + text if size else text
        # later places have shorter ends: the whole text, or an end that is long enough to be judged
        last = max(0, len(body) - MIN_ECHO)
        self._at, self._size = body.find(said, self._at + 1, last + grown), grown
        return self._at >= 0 and self._at + grown < len(body)

    def judge(self, said: str, *, is_line_over: bool) -> tuple[int, str | None]:
        """Return how many characters of `said` are an echo, or why that cannot be known.

        `is_line_over`: a line's end lies at the seam. A model begins a sentence anew that it has not finished; a finished
        line that comes twice may be meant so."""
        body = self._body
        if body and said.startswith(body):
            if is_run(body):
                return 0, _REPEATED
            return (len(body), None) if len(body) >= MIN_ECHO else (0, _SHORT)
        if length := self._end_in(said):
            return self._judge_end(length, is_line_over=is_line_over or body.endswith("\n"))
        start = _telling_start(body)
        has_restarted = start is not None and said.startswith(start) and body.find(start, 1) < 0
        return 0, _RESTARTED if has_restarted else None

    def _end_in(self, said: str) -> int:
        """Return the length of the longest end of the body, from a word's start on, that `said` begins with; 0 for none."""
        body = self._body
        if len(said) < MIN_ECHO or said[:MIN_ECHO] not in body[-WINDOW:]:
            return 0
        for length in range(min(len(body) - 1, len(said), WINDOW), MIN_ECHO - 1, -1):
            if body.endswith(said[:length]) and not (body[-length].isalnum() and body[-length - 1].isalnum()):
                return length
        return 0

    def _judge_end(self, length: int, *, is_line_over: bool) -> tuple[int, str | None]:
        body = self._body
        echo = body[-length:]
        if is_run(echo) or body[:-length].endswith(echo):
            return 0, None  # it repeats itself already, and goes on so
        if is_line_over or body.find(echo) < len(body) - length:
            return 0, _REPEATED
        return length, None


def _telling_start(body: str) -> str | None:
    """Return the body's first words, all of a run that it begins with, None where there is nothing else."""
    ends = range(MIN_ECHO, min(len(body), WINDOW) + 1)
    return next((body[: max(MIN_ECHO, end - 1)] for end in ends if not is_run(body[:end])), None)


def is_run(text: str) -> bool:
    """Tell whether the text is one piece over and over, at least twice: a rule, a fence, dots; also a single character."""
    if len(text) < 2:  # noqa: PLR2004 - one character may begin a run
        return True
    period = text.find(text[: -(-len(text) // 2)], 1)
    return period > 0 and text.startswith(text[period:])
