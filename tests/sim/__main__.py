"""Run simulated worlds: `make sim SEEDS=1000 HOURS=1`, or `python -m tests.sim --seed 17 --hours 1 --trace` for one of them.

Worlds are spread over the cores: processes with one hash seed run one world after the other. Ends with 1 where an
invariant was broken. Every tenth seed runs twice, in whichever process comes first, and its traces are compared (I28)."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from attrs import define, field, frozen

from tests.sim.world import Report, simulate

TWICE_EVERY = 10
BAR = 30


@frozen(kw_only=True)
class Job:
    """One run of one seed."""

    seed: int
    hours: float
    is_second: bool = False


@define(eq=False)
class Tally:
    """What has come back so far."""

    hours: float
    began: float = field(factory=time.monotonic)
    done: int = 0
    requests: int = 0
    steps: int = 0
    virtual_h: float = 0.0
    real_s: float = 0.0
    broken: list[Report] = field(factory=list)
    digests: dict[int, str] = field(factory=dict)
    differing: list[int] = field(factory=list)
    counts: Counter[str] = field(factory=Counter)

    def take(self, job: Job, report: Report) -> None:
        """Count one report."""
        self.virtual_h += report.hours
        self.real_s += report.real_s
        known = self.digests.setdefault(job.seed, report.digest)
        if known != report.digest:
            self.differing.append(job.seed)
        if job.is_second:
            return
        self.done += 1
        self.requests += report.requests
        self.steps += report.steps
        self.counts.update(report.counts)
        if report.violations:
            self.broken.append(report)

    def line(self, total: int | None) -> str:
        """Return the progress in one line."""
        seconds = max(time.monotonic() - self.began, 0.001)
        share = f"{self.done}" if total is None else f"{self.done}/{total}"
        bar = "" if total is None else "[" + "#" * (BAR * self.done // total) + "." * (BAR - BAR * self.done // total) + "] "
        failed = len(self.broken) + len(self.differing)
        return f"{bar}{share} seeds, {failed} broken, {self.virtual_h / seconds:.2f} virtual hours per second"


def main(words: list[str]) -> int:
    """Run what the command line asks for."""
    options = _parser().parse_args(words)
    if options.seed is not None:
        return one(options.seed, options.hours, with_trace=options.trace)
    first = int(time.time()) if options.first is None else options.first
    jobs = options.jobs or os.cpu_count() or 1
    print(f"first seed {first}, {options.hours:g} virtual hours each, {jobs} processes", flush=True)
    tally = many(first, options, jobs)
    _tell(tally, jobs)
    if options.counts:
        print("\n".join(f"{count:8} {name}" for name, count in sorted(tally.counts.items())))
    return 1 if tally.broken or tally.differing else 0


def one(seed: int, hours: float, *, with_trace: bool) -> int:
    """Run one seed here and print its trace or its violations."""
    report = simulate(seed, hours, keeps_all=with_trace)
    if with_trace:
        print("\n".join(report.trace))
    print(
        f"seed {seed}: {report.lines} lines, digest {report.digest}, {report.requests} requests, {report.steps} steps, "
        f"{report.leaps} leaps, {report.real_s:.2f} s",
        file=sys.stderr,
    )
    for violation in report.violations:
        print(f"  {violation.at} s  {violation.name}: {violation.text}", file=sys.stderr)
    return 1 if report.violations else 0


def many(first: int, options: argparse.Namespace, jobs: int) -> Tally:
    """Run seed after seed on every core, for so many seeds or so many seconds."""
    tally = Tally(options.hours)
    until = None if options.seconds is None else time.monotonic() + options.seconds
    total = None if until is not None else options.seeds
    waiting = _jobs(first, total, options.hours)
    is_terminal = sys.stderr.isatty()
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: dict[Future[Report], Job] = {}
        told_at = time.monotonic()
        while True:
            while len(running) < 2 * jobs and (until is None or time.monotonic() < until):
                job = next(waiting, None)
                if job is None:
                    break
                running[pool.submit(simulate, job.seed, job.hours)] = job
            if not running:
                break
            ended, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in ended:
                tally.take(running.pop(future), future.result())
            if is_terminal or time.monotonic() - told_at > 30:
                told_at = time.monotonic()
                print(
                    ("\r" if is_terminal else "") + tally.line(total),
                    end="" if is_terminal else "\n",
                    file=sys.stderr,
                    flush=True,
                )
    if is_terminal:
        print(file=sys.stderr)
    return tally


def _jobs(first: int, total: int | None, hours: float) -> Iterator[Job]:
    number = 0
    while total is None or number < total:
        yield Job(seed=first + number, hours=hours)
        if number % TWICE_EVERY == 0:
            yield Job(seed=first + number, hours=hours, is_second=True)
        number += 1


def _tell(tally: Tally, jobs: int) -> None:
    for report in sorted(tally.broken, key=lambda report: report.seed):
        print(f"\nseed {report.seed}: {len(report.violations)} violations; the first:")
        violation = report.violations[0]
        print(f"  {violation.at} s  {violation.name}: {violation.text}")
        for line in report.before:
            print(f"    {line[:300]}")
        print(f"  python -m tests.sim --seed {report.seed} --hours {report.hours:g} --trace")
    for seed in tally.differing:
        print(
            f"\nseed {seed}: two runs gave two traces (I28)\n  python -m tests.sim --seed {seed} --hours {tally.hours:g} --trace"
        )
    seconds = time.monotonic() - tally.began
    rate = tally.virtual_h / tally.real_s if tally.real_s else 0.0
    print(
        f"{tally.done} seeds, {tally.virtual_h:g} virtual hours in {seconds:.1f} s on {jobs} processes: {rate:.2f} virtual hours "
        f"per real second and process, {tally.virtual_h / seconds:.2f} in all; {tally.requests} requests, {tally.steps} steps; "
        f"{len(tally.broken)} seeds with violations, {len(tally.differing)} that differ from their second run"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Simulated worlds of the whole daemon.")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--hours", type=float, default=1.0, help="virtual hours of each world")
    parser.add_argument("--first", type=int, help="the first seed; from the clock where it is not given")
    parser.add_argument("--seconds", type=float, help="as many seeds as fit into so many real seconds, instead of --seeds")
    parser.add_argument("--jobs", type=int, help="processes; one per core where it is not given")
    parser.add_argument("--counts", action="store_true", help="print how often everything has happened")
    parser.add_argument("--seed", type=int, help="run this one alone")
    parser.add_argument("--trace", action="store_true", help="print every line of its trace")
    return parser


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # it is read at the start of a process only; the pool's inherit it
        os.execve(  # noqa: S606 - ourselves
            sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    sys.exit(main(sys.argv[1:]))
