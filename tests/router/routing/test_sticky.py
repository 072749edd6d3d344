from __future__ import annotations

from router.routing.sticky import MAX_SESSIONS, Sticky


def test_a_session_finds_its_provider_again_for_as_long_as_configured() -> None:
    sticky = Sticky(ttl_s=10)
    sticky.remember("s", "coding", "near", now=100.0)

    assert [sticky.provider_of("s", "coding", now) for now in (100.0, 109.9, 110.0)] == ["near", "near", None]


def test_every_answer_begins_the_time_anew_and_the_last_one_counts() -> None:
    sticky = Sticky(ttl_s=10)
    sticky.remember("s", "coding", "near", now=0.0)
    sticky.remember("s", "coding", "far", now=9.0)

    assert sticky.provider_of("s", "coding", now=15.0) == "far"


def test_each_profile_has_a_provider_of_its_own() -> None:
    sticky = Sticky()
    sticky.remember("s", "coding", "near", now=0.0)
    sticky.remember("s", "small", "tiny", now=0.0)

    assert (sticky.provider_of("s", "coding", 1.0), sticky.provider_of("s", "small", 1.0)) == ("near", "tiny")


def test_the_profile_is_settled_apart_from_who_answers() -> None:
    sticky = Sticky(ttl_s=10)
    sticky.settle("s", "coding", now=0.0)
    sticky.remember("s", "small", "tiny", now=0.0)

    assert [sticky.profile_of("s", now) for now in (9.0, 10.0)] == ["coding", None]
    assert sticky.profile_of("other", 0.0) is None


def test_a_changed_time_holds_for_what_is_remembered_already() -> None:
    sticky = Sticky(ttl_s=1000)
    sticky.remember("s", "coding", "near", now=0.0)

    sticky.ttl_s = 5

    assert sticky.provider_of("s", "coding", now=6.0) is None


def test_the_session_that_was_silent_longest_is_forgotten_first() -> None:
    sticky = Sticky()
    for number in range(MAX_SESSIONS + 1):
        sticky.remember(f"s{number}", "p", "near", now=0.0)
        sticky.settle(f"s{number}", "p", now=0.0)

    known = [(sticky.provider_of(f"s{n}", "p", 1.0), sticky.profile_of(f"s{n}", 1.0)) for n in (0, 1, MAX_SESSIONS)]

    assert known == [(None, None), ("near", "p"), ("near", "p")]
