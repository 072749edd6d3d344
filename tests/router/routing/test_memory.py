"""What is remembered of a provider goes with its backend."""

from __future__ import annotations

import pytest

from router.config.schema import AdaptiveConfig, ProviderConfig
from router.domain.server_state import UNKNOWN, ServerState
from router.guards.calibration import CalibrationState
from router.guards.drift import Observation
from router.routing.adaptive import Sample
from router.routing.memory import Memory
from tests.builders import a_profile, a_provider

SEEN = Observation(output_tokens=9)


def known_of(memory: Memory, name: str) -> list[bool]:
    return [
        memory.adaptive.stats([name], AdaptiveConfig(), 1)[name].sample_count > 0,
        memory.calibrations.state_of(name) != CalibrationState(),
        ("default", name) in memory.drift.windows(),
        memory.calls.is_doubtful(name),
        memory.servers.state_of(name) != UNKNOWN,
    ]


@pytest.mark.parametrize(
    ("providers", "is_known"),
    [
        ([a_provider("a", model="m", timeout_s=9), a_provider("b")], True),
        ([a_provider("a", model="another"), a_provider("b")], False),
        ([a_provider("b")], False),
    ],
)
def test_all_that_was_learnt_of_a_provider_goes_with_its_backend_and_with_no_other(
    providers: list[ProviderConfig],
    is_known: bool,  # noqa: FBT001 - a case of the table
) -> None:
    memory = Memory()
    memory.take_over([a_provider("a", model="m"), a_provider("b")])
    for name in "ab":
        memory.adaptive.record(name, Sample(at=0, ok=False))
        memory.calibrations.learn(name, estimated=1000, reported=2000)
        memory.drift.observe(a_profile("a", "b", drift_detection_action="warn"), name, SEEN, 0)
        memory.calls.note(name, invalid=1, calls=1)
        memory.servers.learn(name, ServerState(is_loaded=True))

    memory.take_over(providers)

    assert (known_of(memory, "a"), known_of(memory, "b")) == ([is_known] * 5, [True] * 5)
