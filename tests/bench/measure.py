"""The rows of the bench: each runs one kind of load against every target in turn and files the figures."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Self

from attrs import define, field, frozen

from tests.bench.load import Run, cancel_latencies, drive
from tests.bench.targets import DIRECT, Measured, Stage
from tests.bench.workloads import STALL, Order, request_body

CONNECTIONS = (1, 16, 64)
TURNS = 4  # of each target in a row of requests: the speed of a shared machine drifts within seconds
PACED_STREAMS = (32, 200)
PACED = Order(deltas=200, every_ms=20)
PACED_LIMIT_S = 14.0  # 4 s of stream; a target that cannot keep up gets three times as long
BURST = Order(deltas=1000)
BURST_STREAMS = 16
CANCELS = 40


@frozen(kw_only=True)
class Row:
    """One line of the table; a rate is better when higher, everything else when lower."""

    title: str
    unit: str
    digits: int = 1
    is_rate: bool = False


@define(kw_only=True)
class Sheet:
    """All figures: row -> target -> one value per round. Filled by one task, in the order of the table."""

    values: dict[Row, dict[str, list[float]]] = field(factory=dict)
    errors: dict[str, int] = field(factory=dict)
    cut: dict[str, int] = field(factory=dict)  # streams that the time limit of their run ended

    def put(self, row: Row, target: str, value: float) -> None:
        """File one value."""
        self.values.setdefault(row, {}).setdefault(target, []).append(value)

    def put_errors(self, target: str, count: int) -> None:
        """Count answers that were none."""
        if count:
            self.errors[target] = self.errors.get(target, 0) + count

    def put_cut(self, target: str, count: int) -> None:
        """Count streams that did not end in time: the target could not keep up, or the machine was busy."""
        if count:
            self.cut[target] = self.cut.get(target, 0) + count

    def last(self, row: Row, target: str) -> float:
        """Return the value of this round."""
        return self.values[row][target][-1]

    def median(self, row: Row, target: str) -> float | None:
        """Return the median over the rounds, None where the row does not apply to the target."""
        found = self.values[row].get(target)
        return median(found) if found else None


def warm_up(stage: Stage) -> None:
    """Have every target answer until its pools and code are warm."""
    for measured in stage.measured:
        drive(measured.target, request_body(Order()), connections=16, seconds=0.5)
        drive(measured.target, request_body(Order(deltas=20)), connections=4, seconds=0.5)


def warm_memory(stage: Stage, sheet: Sheet) -> None:
    """File what each process holds before the load."""
    for measured in stage.measured:
        if measured.process is not None:
            sheet.put(Row(title="memory, warm", unit="MiB"), measured.target.name, measured.process.rss_kb() / 1024)


def round_of_all(stage: Stage, sheet: Sheet, *, seconds: float, say: Callable[[str], None]) -> None:
    """Run every row once, target after target within the row, so that a slow second of the machine hits all alike."""
    for large in (False, True):
        for connections in CONNECTIONS:
            say(f"{connections} connections, {'60 KB' if large else 'small'} body")
            for measured in TURNS * stage.measured:
                _requests(sheet, measured, connections=connections, large=large, seconds=seconds / TURNS)
    say("time to first byte")
    for measured in stage.measured:
        _first_byte(sheet, measured, seconds=seconds / 2)
    say(f"burst of {BURST_STREAMS} streams")
    for measured in stage.measured:
        _burst(sheet, measured)
    say("cancel")
    for measured in stage.measured:
        _cancel(sheet, measured, stage.mock_port)
    for streams in PACED_STREAMS:
        say(f"{streams} paced streams")
        for measured in stage.measured:
            _paced(sheet, measured, streams=streams)


def _requests(sheet: Sheet, measured: Measured, *, connections: int, large: bool, seconds: float) -> None:
    name = measured.target.name
    what = f"{'60 KB body, 20 tools' if large else 'small body'}, {connections} connection{'s' * (connections > 1)}"
    with _Cpu(measured) as cpu:
        run = drive(measured.target, request_body(Order(), large=large), connections=connections, seconds=seconds)
    sheet.put_errors(name, run.errors)
    sheet.put(Row(title=what, unit="requests/s", digits=0, is_rate=True), name, run.requests_per_s)
    row = Row(title=what, unit="p50 ms", digits=2)
    sheet.put(row, name, _ms(run.latencies_ns, 0.5))
    if name != DIRECT:
        added = sheet.last(row, name) - sheet.last(row, DIRECT)
        sheet.put(Row(title=what, unit="added p50 ms", digits=2), name, added)
    if connections == 16:
        cpu.put(sheet, Row(title=what, unit="CPU ms/request", digits=3), 1e3, run.answered)


def _first_byte(sheet: Sheet, measured: Measured, *, seconds: float) -> None:
    run = drive(measured.target, request_body(Order(deltas=1)), connections=1, seconds=seconds)
    sheet.put_errors(measured.target.name, run.errors)
    row = Row(title="stream, request to first delta", unit="p50 ms", digits=2)
    sheet.put(row, measured.target.name, _ms(run.first_ns, 0.5))


def _burst(sheet: Sheet, measured: Measured) -> None:
    with _Cpu(measured) as cpu:
        run = drive(measured.target, request_body(BURST), connections=BURST_STREAMS, seconds=PACED_LIMIT_S, once=True)
    what = f"burst, {BURST_STREAMS} streams of {BURST.deltas} deltas at once"
    _put_streams(sheet, measured, run, what, BURST_STREAMS)
    cpu.put(sheet, Row(title=what, unit="CPU us/delta"), 1e6, len(run.transits_ns))


def _paced(sheet: Sheet, measured: Measured, *, streams: int) -> None:
    name = measured.target.name
    peak: list[float] = []

    def look() -> None:
        if measured.process is not None:
            peak.append(measured.process.rss_kb() / 1024)

    with _Cpu(measured) as cpu:
        run = drive(
            measured.target,
            request_body(PACED),
            connections=streams,
            seconds=PACED_LIMIT_S,
            once=True,
            look_after_s=2.0,
            look=look,
        )
    what = f"{streams} streams, a delta every {PACED.every_ms} ms"
    _put_streams(sheet, measured, run, what, streams)
    sheet.put(Row(title=what, unit="transit p50 ms", digits=2), name, _ms(run.transits_ns, 0.5))
    sheet.put(Row(title=what, unit="transit p99 ms", digits=2), name, _ms(run.transits_ns, 0.99))
    cpu.put(sheet, Row(title=what, unit="CPU us/delta"), 1e6, len(run.transits_ns))
    if peak:
        sheet.put(Row(title=what, unit="memory, MiB"), name, peak[0])


def _put_streams(sheet: Sheet, measured: Measured, run: Run, what: str, streams: int) -> None:
    sheet.put_errors(measured.target.name, run.errors)
    sheet.put_cut(measured.target.name, streams - run.answered - run.errors)
    sheet.put(Row(title=what, unit="deltas/s", digits=0, is_rate=True), measured.target.name, run.deltas_per_s)


def _cancel(sheet: Sheet, measured: Measured, mock_port: int) -> None:
    name = measured.target.name
    body = request_body(Order(deltas=2, every_ms=STALL))
    seen = cancel_latencies(measured.target, body, mock_port=mock_port, times=CANCELS)
    what = f"client leaves mid-stream, {CANCELS} times"
    sheet.put(Row(title=what, unit="upstream closed, p50 ms", digits=2), name, _ms(seen, 0.5))
    sheet.put(Row(title=what, unit="upstream closed, p99 ms", digits=2), name, _ms(seen, 0.99))
    sheet.put(Row(title=what, unit="missed", digits=0), name, CANCELS - len(seen))


def put_start(sheet: Sheet, name: str, ready_after_s: float) -> None:
    """File how long a process took from its start to its first answer."""
    sheet.put(Row(title="start to ready", unit="s", digits=2), name, ready_after_s)


class _Cpu:
    """CPU time of the measured process over a block."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured
        self._used_s = 0.0

    def __enter__(self) -> Self:
        self._used_s = self._now_s()
        return self

    def __exit__(self, *_: object) -> None:
        self._used_s = self._now_s() - self._used_s

    def put(self, sheet: Sheet, row: Row, scale: float, count: int) -> None:
        """File the time per item, in seconds times `scale`."""
        if self._measured.process is not None and count:
            sheet.put(row, self._measured.target.name, self._used_s * scale / count)

    def _now_s(self) -> float:
        return self._measured.process.cpu_s() if self._measured.process is not None else 0.0


def _ms(times_ns: list[int], share: float) -> float:
    """Return the quantile in milliseconds, not-a-number for no measurement at all."""
    if not times_ns:
        return float("nan")
    ordered = sorted(times_ns)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6
