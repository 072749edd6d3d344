"""What a failed attempt leads to: the action column of routing.md 11.2, and the overrides of a profile.

The other half of that table, from a status and its words to a reason, is `router/providers/failures.py`; errors inside a
stream or a 200 body get theirs in `router/wire/inband.py`. A context overflow is not decided here: it depends on the
windows of the providers that are left (`dispatch.py`)."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from router.config.rules import is_loopback
from router.config.schema import ProviderConfig
from router.errors import FailureReason, ProviderFailed
from router.providers.transport import CANNOT_CONNECT


class FailurePolicy(Protocol):
    """The keys of a profile that change the table."""

    @property
    def retry_statuses(self) -> tuple[int, ...]:
        """Statuses after which the next provider is asked."""

    @property
    def stop_statuses(self) -> tuple[int, ...]:
        """Statuses that end the chain; they win over the other list."""

    @property
    def fallback_on_client_error(self) -> bool:
        """Whether a 4xx that is the client's own fault is tried elsewhere, too."""


def is_stop(failure: ProviderFailed, policy: FailurePolicy) -> bool:
    """Tell whether the failure ends the chain, because every provider would answer the same."""
    if failure.status in policy.stop_statuses:
        return True
    if failure.status in policy.retry_statuses:
        return False
    if failure.reason is FailureReason.CLIENT_ERROR:
        return not policy.fallback_on_client_error
    return failure.reason is FailureReason.REDIRECT  # a key that follows one may end up anywhere


def is_absent(failure: ProviderFailed, config: ProviderConfig) -> bool:
    """Tell whether nobody listens where somebody else runs a server of this machine."""
    is_ours = config.restart is not None and config.restart.mode == "managed"
    is_refused = failure.reason is FailureReason.CONNECTION and failure.message.startswith(CANNOT_CONNECT)
    return is_refused and not is_ours and is_loopback(urlsplit(config.base_url).hostname or "")
