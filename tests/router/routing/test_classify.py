"""What no upstream has to bring about: every reason by itself. Statuses and overrides: tests/replay/test_fallback_table.py."""

from __future__ import annotations

import pytest

from router.errors import FailureReason, ProviderFailed
from router.routing.classify import is_stop
from tests.builders import a_profile

STOPS = {FailureReason.CLIENT_ERROR, FailureReason.REDIRECT}


@pytest.mark.parametrize("reason", FailureReason)
def test_only_a_clients_own_mistake_and_a_redirect_end_the_chain(reason: FailureReason) -> None:
    assert is_stop(ProviderFailed(provider="p", reason=reason), a_profile("p")) is (reason in STOPS)
