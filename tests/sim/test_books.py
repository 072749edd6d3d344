"""What is found wrong with a ledger: each of these has to be seen."""

from __future__ import annotations

from attrs import define, evolve, field

from router.config.schema import BudgetConfig, CostConfig, RouterConfig
from router.domain.spend import SpendReport, Standing
from router.state.rows import SPEND, Row
from tests.builders import a_config, a_profile, a_provider
from tests.sim.books import Books, KeptBooks, Largest

COST = CostConfig(input_tokens_per_million=1_000_000.0, output_tokens_per_million=1_000_000.0)  # USD are tokens
ANSWER, PROMPT = 2, 8  # tokens at most: an attempt reserves 2 to 10 USD
ANSWERED = {"outcome": "ok", "chain": ["a:ok"], "estimated": False, "input_tokens": 3, "output_tokens": 1}


def a_capped_config(usd: float = 100.0) -> RouterConfig:
    config = a_config(a_provider("a", cost=evolve(COST, monthly_budget_usd=usd)), profiles=[a_profile("a")])
    return evolve(config, budget=BudgetConfig(monthly_usd=usd))


@define
class World:
    """A ledger that says what it is told to say."""

    spent: float = 0.0
    reserved: float = 0.0
    cap: float = 100.0
    attempts: int = 0
    found: list[str] = field(factory=list)
    books: Books = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.books = Books(
            report=self.report,
            in_flight=lambda: {"a": self.attempts},
            configs=[a_capped_config()],
            largest=lambda: Largest(PROMPT, ANSWER),
            broken=lambda name, _text: self.found.append(name),
        )

    def report(self) -> SpendReport:
        one = Standing(spent_usd=self.spent, reserved_usd=self.reserved, cap_usd=self.cap)
        free = evolve(one, cap_usd=None)
        return SpendReport(month="2027-01", day="2027-01-15", timezone="UTC", monthly=one, daily=free, providers={"a": one})

    def at(self, spent: float, reserved: float = 0.0, attempts: int = 0) -> None:
        self.spent, self.reserved, self.attempts = spent, reserved, attempts
        self.books.quiet()


def test_a_ledger_that_keeps_its_caps_is_fine() -> None:
    world = World()
    world.at(0.0, 5.0, 1)
    world.at(99.9, 10.0, 1)
    world.at(108.0)

    assert world.found == []


def test_more_than_one_reservation_above_a_cap_is_seen() -> None:
    world = World()
    world.at(99.9, 20.0, 2)

    assert set(world.found) == {"BUDGET"}


def test_a_lower_cap_may_be_passed_already_and_by_no_more() -> None:
    world = World()
    world.at(90.0)
    world.cap = 20.0
    world.books.reloaded()
    world.at(95.0)
    assert world.found == []

    world.at(101.0)

    assert "BUDGET" in world.found


def test_a_cap_that_was_lowered_between_two_lives_may_be_passed_already_and_by_no_more() -> None:
    world = World(cap=20.0)
    world.at(0.0)
    world.books.taken_up()
    world.at(95.0)
    world.at(104.0)
    assert world.found == []

    world.at(106.0)

    assert "BUDGET" in world.found


def test_what_was_spent_and_is_less_is_seen() -> None:
    world = World()
    world.at(50.0)
    world.at(49.0)

    assert "BUDGET" in world.found


def test_an_attempt_without_a_reservation_and_one_without_an_attempt_are_seen() -> None:
    without, left = World(), World()
    without.at(0.0, 0.0, 1)
    left.at(0.0, 3.0, 0)

    assert (without.found, left.found) == (["BUDGET"], ["BUDGET"])


def test_an_answer_that_is_not_booked_is_seen() -> None:
    booked, forgotten = World(), World()
    for world, usd in ((booked, 4.0), (forgotten, 3.0)):
        world.at(10.0)
        world.spent += usd
        world.books.answered(ANSWERED)
        world.books.quiet()

    assert (booked.found, forgotten.found) == ([], ["BUDGET"])


def test_who_is_asked_though_a_cap_is_reached_is_seen() -> None:
    world = World(spent=100.0)
    world.books.asked({"profile": "p", "chain": ["a"]})
    assert world.found == ["I16"]

    world.spent = 99.0
    world.books.asked({"profile": "p", "chain": ["a"]})

    assert world.found == ["I16"]


def rows(usd: float) -> tuple[Row, ...]:
    value = {"total_usd": usd, "providers": {}, "profiles": {}}
    return tuple(Row(namespace=SPEND, key=key, wall=0.0, json=b"{}", value=value) for key in ("2027-01", "2027-01-15"))


def kept(found: list[str], on_disk: tuple[Row, ...], spent: float, *, is_open: bool = True) -> KeptBooks:
    books = KeptBooks(broken=lambda name, _text: found.append(name))
    books.begin(on_disk if is_open else None, on_disk, World(spent=spent).report())
    return books


def test_a_daemon_that_does_not_take_up_what_was_spent_is_seen() -> None:
    found: list[str] = []
    kept(found, rows(5.0), 5.0)
    kept(found, rows(5.0), 0.0, is_open=False)  # it could not be read: nobody is to blame yet
    assert found == []

    kept(found, rows(5.0), 0.0)

    assert found == ["BUDGET", "BUDGET"]  # of the month and of the day


def test_a_file_that_has_less_than_was_spent_when_it_was_written_is_seen() -> None:
    found: list[str] = []
    books = kept(found, rows(5.0), 5.0)
    books.note(World(spent=7.0).report(), 10.0)
    books.note(World(spent=9.0).report(), 20.0)
    books.died(rows(7.0), written_to=15.0)
    assert found == []

    books.died(rows(7.0), written_to=25.0)

    assert found == ["BUDGET", "BUDGET"]


def test_a_file_that_could_not_be_read_may_not_be_written_over() -> None:
    found: list[str] = []
    books = kept(found, rows(5.0), 0.0, is_open=False)
    books.note(World(spent=1.0).report(), 10.0)

    books.died(rows(1.0), written_to=15.0)

    assert found == ["BUDGET", "BUDGET"]
