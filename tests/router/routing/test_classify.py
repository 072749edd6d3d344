from __future__ import annotations

import pytest

from router.errors import FailureReason, ProviderFailed
from router.routing.classify import is_stop
from tests.builders import a_profile

STOPS = {FailureReason.CLIENT_ERROR, FailureReason.REDIRECT}


def failed(reason: FailureReason, status: int | None = None) -> ProviderFailed:
    return ProviderFailed(provider="p", reason=reason, status=status)


@pytest.mark.parametrize("reason", FailureReason)
def test_only_a_clients_own_mistake_and_a_redirect_end_the_chain(reason: FailureReason) -> None:
    assert is_stop(failed(reason), a_profile("p")) is (reason in STOPS)


def test_a_profile_may_try_a_client_error_elsewhere_but_never_a_redirect() -> None:
    policy = a_profile("p", fallback_on_client_error=True)

    assert not is_stop(failed(FailureReason.CLIENT_ERROR, 400), policy)
    assert is_stop(failed(FailureReason.REDIRECT, 302), policy)


@pytest.mark.parametrize("reason", [FailureReason.CLIENT_ERROR, FailureReason.UPSTREAM_5XX])
def test_the_status_lists_of_a_profile_override_the_table(reason: FailureReason) -> None:
    assert is_stop(failed(reason, 418), a_profile("p", stop_statuses=(418,)))
    assert not is_stop(failed(reason, 418), a_profile("p", retry_statuses=(418,)))


def test_a_status_on_both_lists_stops() -> None:
    policy = a_profile("p", stop_statuses=(500,), retry_statuses=(500,))

    assert is_stop(failed(FailureReason.UPSTREAM_5XX, 500), policy)


def test_a_failure_without_a_status_is_on_no_list() -> None:
    policy = a_profile("p", stop_statuses=(500,))

    assert not is_stop(failed(FailureReason.CONNECTION), policy)
