"""Where one provider's answer is continued by another: the text goes on exactly, with nothing said twice and nothing missing.

The client has `sent + held`; `sent` is the begun answer that the next provider was given. What that one says is
    the rest                 most servers: it begins with `held`, which is cut, and passes
    `sent` again, the rest   llama.cpp where it does not stream, older vLLM: the echo is cut
    its last words again     a model that began its last sentence anew: cut, where that is no repetition
    another beginning        a server that did not go on: there is no seam
What repeats itself on its own account (a table's rule, equal lines, a refrain) looks like an echo: a run passes, and
where neither reading is sure there is no seam. Nothing is guessed: then `failed` says why."""

from __future__ import annotations

from attrs import define, field

from router.routing.echo import Echo
from router.wire.prefill import BLANKS

_OTHER_BLANKS = "the next provider continued with white space other than what was sent"
_OTHER_START = "the next provider began a different answer"


@define(kw_only=True)
class Seam:
    """Takes the text of the continuing provider and gives what the client gets of it; one per continuation.

    Once `failed` says why there is no exact seam, nothing more comes out, and the stream has to end in an error."""

    sent: str
    held: str
    failed: str | None = None
    _echo: Echo | None = field(init=False)  # None: judged
    _is_open: bool = False  # past the seam: text passes
    _matched: int = 0  # of `held`, said again character by character
    _pieces: list[str] = field(factory=list)  # that are not judged, then white space that is not that of `held`

    def __attrs_post_init__(self) -> None:
        self._echo = Echo(self.sent)

    def feed(self, text: str) -> str:
        """Return what the client gets now of a piece, "" while the seam is not clear."""
        if self._is_open:
            return text
        if self.failed is not None:
            return ""
        if self._echo is None:
            return self._after_held(text)
        self._pieces.append(text)
        return "" if self._echo.follow(text) else self._judge(self._echo)

    def end(self) -> str:
        """Return what is left where the provider's text ends; sets `failed` where the client's text cannot end so."""
        if self._is_open or self.failed is not None:
            return ""
        out = "" if self._echo is None else self._judge(self._echo)
        self._require_held()
        return out

    def _require_held(self) -> None:
        if not self._is_open and self.failed is None and self.held.strip():
            self.failed = _OTHER_START

    def _judge(self, echo: Echo) -> str:
        """Cut the echo where there is one."""
        self._echo = None
        text = "".join(self._pieces)
        self._pieces.clear()
        said = text.lstrip()
        is_line_over = "\n" in self.held or "\n" in text[: len(text) - len(said)]
        length, self.failed = echo.judge(said, is_line_over=is_line_over)
        if self.failed is not None:
            return ""
        return self._after_held(said[length:] if length else text)

    def _after_held(self, text: str) -> str:
        """Cut what the client has beyond the sent text."""
        if not self._pieces:
            if self.held.startswith(text, self._matched):
                self._matched += len(text)
                self._is_open = self._matched == len(self.held)
                return ""
            if text.startswith(self.held[self._matched :]):
                self._is_open = True
                return text[len(self.held) - self._matched :]
            if self.held.strip():
                self.failed = _OTHER_START
                return ""
            self._pieces.append(self.held[: self._matched])
        self._pieces.append(text)
        return "" if text.isspace() else self._after_like("".join(self._pieces))

    def _after_like(self, text: str) -> str:
        """Cut white space that differs from the client's only in blanks at a line's end, which nobody sees."""
        line_ends, blanks = self.held.count("\n"), self.held[self.held.rfind("\n") + 1 :]
        space = text[: len(text) - len(text.lstrip())]
        at = 0
        for _ in range(line_ends):
            at = space.find("\n", at) + 1
            if not at:
                self.failed = _OTHER_BLANKS
                return ""
        rest = text[at:]
        if rest.startswith(blanks):
            rest = rest[len(blanks) :]
        elif (next_line := rest.lstrip(BLANKS + "\r")).startswith("\n"):
            rest = next_line
        else:
            self.failed = _OTHER_BLANKS
            return ""
        self._is_open = True
        return rest
