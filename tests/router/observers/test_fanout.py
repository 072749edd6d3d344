from __future__ import annotations

import io
import json
from collections.abc import Mapping

from attrs import define, field

from router.domain.told import Told, stamp_of
from router.observers.fanout import Fanout
from router.observers.log import open_log
from tests.builders import RememberingObserver


@define
class Heard:
    told_so_far: list[Told] = field(factory=list)

    def told(self, told: Told) -> None:
        self.told_so_far.append(told)


@define
class Failing:
    def told(self, told: Told) -> None:
        raise ValueError(told.name)


def fanout(log: RememberingObserver, **listeners: Heard | Failing) -> Fanout:
    made = Fanout(log, lambda: 1767323045.678)
    for name, listener in listeners.items():
        made.listen(name, listener)
    return made


def test_every_listener_gets_the_same_stamped_event_in_its_order() -> None:
    log, one, other = RememberingObserver(), Heard(), Heard()
    fan = fanout(log, one=one, other=other)

    fan.event("router-startup", {"version": "1"})
    fan.event("no-such-event", {})

    assert one.told_so_far == other.told_so_far
    assert [(told.seq, told.name, told.level, stamp_of(told.wall)) for told in one.told_so_far] == [
        (1, "router-startup", 20, "2026-01-02T03:04:05.678Z"),
        (2, "no-such-event", 20, "2026-01-02T03:04:05.678Z"),
    ]
    assert log.events == [("router-startup", {"version": "1"}), ("no-such-event", {})]


def test_a_listener_that_fails_is_told_once_counted_always_and_keeps_nobody_from_hearing() -> None:
    log, heard = RememberingObserver(), Heard()
    fan = fanout(log, broken=Failing(), heard=heard)

    for _ in range(3):
        fan.event("router-shutdown", {"exit_code": 0})

    assert fan.counted_failures() == {"broken": 3, "heard": 0}
    assert [name for name, _ in log.events].count("observer-failed") == 1
    assert len(heard.told_so_far) == 3


def test_a_line_of_the_log_carries_the_stamp_that_the_files_have() -> None:
    file = io.BytesIO()
    fan = Fanout(open_log("info", "json", redact=str, file=file), lambda: 1767323045.678)

    fan.event("chain-resolved", {"request_id": "r"})  # a detail: not in the log, and counted all the same
    fan.event("router-shutdown", {"exit_code": 0})

    line: Mapping[str, object] = json.loads(file.getvalue())
    assert line == {"ts": "2026-01-02T03:04:05.678Z", "level": "info", "event": "router-shutdown", "seq": 2, "exit_code": 0}
