"""Every attempt is booked: its reported usage, or an estimate of what it must have cost (routing.md 13.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from attrs import define, evolve

from router.config.schema import ProviderConfig
from router.domain.events import Usage
from router.domain.spend import Cost
from router.errors import FailureReason, ProviderFailed, RouterError
from router.ports import Reservation, Spending
from router.routing.answer import Ask

Told = Callable[[Cost, Usage], None]

_WAITED_FOR = frozenset({FailureReason.TIMEOUT, FailureReason.TTFT_TIMEOUT})


@define
class Booking:
    """One attempt's; what it was settled at first counts.

    `told` hears what was booked, and for which usage; `seen` tells what the answer has used."""

    _reservation: Reservation
    _input_tokens: int
    _told: Told
    cost: Cost | None = None  # None as long as nothing is booked
    was_sent: bool = False
    has_head: bool = False
    _seen: Callable[[], Usage] = lambda: Usage(estimated=True)

    def refused(self) -> None:
        """Note that what was sent has been refused, and costs nothing; it may be sent anew."""
        self.was_sent = False

    def opened(self, seen: Callable[[], Usage]) -> None:
        """Note that a head of success has come: from here on the prompt was read."""
        self.has_head, self._seen = True, seen

    @property
    def has_said(self) -> bool:
        """Whether the model has said something, if only to itself: then it is paid for, whatever comes behind it."""
        return self.has_head and self._seen().output > 0

    def settle(self, usage: Usage) -> None:
        """Book what the attempt has used, unless that was booked already."""
        if self.cost is not None:
            return
        usage = with_input(usage, self._input_tokens)
        self.cost = self._reservation.settle(usage)
        self._told(self.cost, usage)

    def settle_seen(self) -> None:
        """Book what the answer has used as far as it came."""
        if self.cost is None:  # else it is not even looked at
            self.settle(self._seen())


@contextmanager
def booked(spending: Spending, ask: Ask, config: ProviderConfig, told: Told) -> Iterator[Booking]:
    """Reserve what an attempt may cost, and book what it has cost when the context is left, also by a cancellation.

    `told` hears of it in each of these cases. Raises ProviderFailed(budget) where a cap is reached."""
    input_tokens = ask.input_tokens(config)
    with spending.reserve(config.name, ask.profile.name, input_tokens=input_tokens, max_tokens=ask.max_tokens) as reservation:
        booking = Booking(reservation, input_tokens, told)
        try:
            yield booking
        except RouterError as error:
            if was_read(error, was_sent=booking.was_sent, has_head=booking.has_head) or booking.has_said:
                booking.settle_seen()
            raise
        except BaseException:  # the client has left, or the router stops: what has been said is paid for all the same
            if booking.was_sent:
                booking.settle_seen()
            raise


def was_read(error: RouterError, *, was_sent: bool, has_head: bool) -> bool:
    """Tell whether an attempt that came to nothing has cost its prompt: its answer had begun, or was waited for in vain.

    A refusal costs nothing, also one inside an answer of status 200 (OpenRouter), nor does what failed before any head."""
    if not isinstance(error, ProviderFailed):
        return has_head
    status = error.status or 0
    if has_head or HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return was_sent and error.reason in _WAITED_FOR and error.status is None


def with_input(usage: Usage, tokens: int) -> Usage:
    """Return the usage with `tokens` as its input where it is an estimate that knows none; 0 changes nothing."""
    return usage if usage.has_input or not tokens else evolve(usage, input=tokens)
