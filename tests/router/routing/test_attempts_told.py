"""Every attempt ends in exactly one `attempt-complete` (W46): what is counted hangs on it."""

from __future__ import annotations

import trio
import trio.testing

from router.domain.events import Usage
from router.errors import FailureReason
from router.routing.answer import RelayEnd
from tests.builders import Script, chat_chunk
from tests.router.routing.chain_rig import GOOD_STREAM, Rig, failing, provider, refusing


async def test_each_attempt_is_told_once_with_how_it_ended(autojump_clock: trio.testing.MockClock) -> None:
    rig = Rig(providers=[refusing("a", FailureReason.CONNECTION), provider("b", GOOD_STREAM)])

    await rig.run()

    told = rig.observer.named("attempt-complete")
    assert [(one["provider"], one["outcome"], one["reason"], one["ttft_ms"]) for one in told] == [
        ("a", "failed", "connection", None),
        ("b", "ok", None, 0.0),
    ]


async def test_an_answer_that_breaks_off_failed_midstream() -> None:
    rig = Rig(providers=[provider("a", GOOD_STREAM)])
    rig.end = RelayEnd(usage=Usage(output=3), failure=failing(FailureReason.STREAM_TRUNCATED))

    await rig.run()

    assert [(one["outcome"], one["reason"], one["output_tokens"]) for one in rig.observer.named("attempt-complete")] == [
        ("failed_midstream", "stream-truncated", 3)
    ]


async def test_an_attempt_that_its_client_leaves_is_cancelled_and_nobody_s_failure(
    autojump_clock: trio.testing.MockClock,
) -> None:
    rig = Rig(providers=[provider("a", Script(chunks=[chat_chunk({"role": "assistant"}), 60.0]))])

    with trio.move_on_after(5):
        await rig.run()

    told = rig.observer.named("attempt-complete")
    assert [(one["outcome"], one["reason"], one["total_ms"]) for one in told] == [("cancelled", None, 5000.0)]
