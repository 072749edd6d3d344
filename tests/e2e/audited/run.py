"""The run: every scene beside the others, each with a state directory of its own; their audit files are what was told."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain
from pathlib import Path

import trio
from attrs import frozen

from router.observers.events import AUDITED
from tests.e2e.audited import files, inside, jobs, talks
from tests.e2e.audited.common import AUDIT_FILE

Scene = Callable[[Path], Awaitable[None]]

SCENES: Mapping[str, Scene] = {
    scene.__name__: scene
    for scene in (
        talks.everything_counted,
        talks.what_a_request_meets,
        files.switched_on_and_off,
        files.kept_across_starts,
        jobs.processes,
        jobs.nobody_is_answered,
        inside.a_fault_ends_the_daemon,
        inside.a_part_gives_up,
        inside.faults_that_it_lives_with,
    )
}
UNREACHED: Mapping[str, str] = {}
"""Audited events that no scene makes a daemon tell, each with the reason. The test holds it to be exact."""


@frozen(kw_only=True)
class Outcome:
    """What each scene's audit file says, every line of all of them, how long each scene took, and what it failed with."""

    told: Mapping[str, frozenset[str]]
    lines: tuple[bytes, ...]
    took_s: Mapping[str, float]
    failed: Mapping[str, BaseException]

    @property
    def missing(self) -> frozenset[str]:
        """The audited events that nobody told."""
        return AUDITED.difference(*self.told.values())


async def run(directory: Path) -> Outcome:
    """Run every scene below that directory. A scene that fails is part of the outcome: the others' events count."""
    took_s: dict[str, float] = {}
    failed: dict[str, BaseException] = {}

    async def act(name: str, scene: Scene) -> None:
        began = trio.current_time()
        (directory / name).mkdir()
        try:
            await scene(directory / name)
        except Exception as error:  # noqa: BLE001 - a scene that fails must not take the others' figures with it; its error is reported
            failed[name] = error
        took_s[name] = trio.current_time() - began

    async with trio.open_nursery() as nursery:
        for name, scene in SCENES.items():
            nursery.start_soon(act, name, scene)
    kept = {name: _lines_below(directory / name) for name in SCENES}
    return Outcome(
        told={name: frozenset(str(json.loads(line)["event"]) for line in lines) for name, lines in kept.items()},
        lines=tuple(chain(*kept.values())),
        took_s=took_s,
        failed=failed,
    )


def _lines_below(directory: Path) -> tuple[bytes, ...]:
    """Return every line of the audit files of a scene, old generations too."""
    paths = sorted(directory.rglob(f"{AUDIT_FILE}*"))
    return tuple(line for path in paths for line in path.read_bytes().splitlines())
