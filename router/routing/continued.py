"""The stage of an answer that another provider goes on with: its events as the client's answer needs them."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve

from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ThinkingRedacted,
    ThinkingSigned,
    ToolStarted,
    Usage,
    UsageSeen,
)
from router.errors import FailureReason, ProviderFailed
from router.routing.seam import Seam


@define(kw_only=True)
class Continued:
    """Stands between the next provider's decoder and the encoder that has begun the answer.

    The client has its start already, and reasoning has its place before the text: both are left out. `used` is what is
    known of what was said before, `own` what is told of the next part alone. An answer without a seam raises
    ProviderFailed(bad-response) naming `provider`."""

    seam: Seam
    provider: str
    used: Usage
    own: Usage | None = None
    _says_nothing: bool = True

    def feed(self, event: NeutralEvent) -> Sequence[NeutralEvent]:
        """Return what goes on for one event, () to hold it. Raises ProviderFailed where no exact seam can be had."""
        match event:
            case TextDelta(text):
                self._says_nothing = False
                return self._text(self.seam.feed(text))
            case Started() | ThinkingDelta() | ThinkingSigned() | ThinkingRedacted():
                return ()
            case UsageSeen(usage):
                self.own = usage
                return (UsageSeen(together(self.used, usage)),)
            case ToolStarted():
                self._says_nothing = False
                return (*self._text(self.seam.end()), event)
            case Stopped(reason=reason):
                text = self.seam.end()
                if self._says_nothing and reason is StopReason.END and is_unfinished(self.seam.sent + self.seam.held):
                    self.seam.failed = "the next provider sent nothing, although the answer was unfinished"
                return (*self._text(text), event)
        return (event,)

    def release(self) -> Sequence[NeutralEvent]:
        """Return nothing: what is held before the seam may be said already."""
        return ()

    def _text(self, text: str) -> tuple[NeutralEvent, ...]:
        if self.seam.failed is not None:
            raise ProviderFailed(provider=self.provider, reason=FailureReason.BAD_RESPONSE, message=self.seam.failed)
        return (TextDelta(text),) if text else ()


def is_unfinished(text: str) -> bool:
    """Tell whether a text breaks off in a word or in a fence of code, so that it cannot be all of an answer."""
    return text.count("```") % 2 == 1 or text.rstrip()[-1:].isalnum()


def together(first: Usage, second: Usage) -> Usage:
    """Return the usage of an answer in two parts, for the client: the input once, the output of both.

    The second provider reads the first part as input; it is told where the first one broke before it told its own."""
    told = second if not first.input and first.cache_read is None else first
    return evolve(
        told,
        output=first.output + second.output,
        reasoning=first.reasoning,
        estimated=first.estimated or second.estimated,
    )
