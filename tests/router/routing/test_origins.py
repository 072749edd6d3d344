from __future__ import annotations

from router.routing.origins import MAX_KNOWN, Origins


def test_a_signature_is_foreign_to_everybody_but_who_made_it() -> None:
    origins = Origins()
    origins.remember("sig-1", "a")

    assert [origins.is_foreign("sig-1", origin) for origin in ("a", "b")] == [False, True]


def test_a_signature_that_was_never_seen_is_nobodys() -> None:
    assert not Origins().is_foreign("sig-1", "b")


def test_the_latest_are_kept() -> None:
    origins = Origins()
    origins.remember("first", "a")
    for number in range(MAX_KNOWN):
        origins.remember(f"sig-{number}", "a")

    assert not origins.is_foreign("first", "b")
    assert origins.is_foreign("sig-0", "b")


def test_a_signature_that_no_encoding_can_write_is_known_all_the_same() -> None:
    origins = Origins()
    origins.remember("\ud800", "a")

    assert origins.is_foreign("\ud800", "b")


def test_a_signature_that_is_still_sent_back_outlives_those_that_are_not() -> None:
    origins = Origins()
    origins.remember("first", "a")
    for number in range(MAX_KNOWN):
        origins.is_foreign("first", "b")
        origins.remember(f"sig-{number}", "a")

    assert [origins.is_foreign(name, "b") for name in ("first", "sig-0")] == [True, False]
