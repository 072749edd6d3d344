"""What is found wrong with who waits and who runs: each of these has to be seen."""

from __future__ import annotations

from attrs import define, field

from router.config.schema import RouterConfig, ServerConfig
from router.domain.request import DialectName
from router.errors import ErrorKind
from tests.builders import a_config, a_profile, a_provider
from tests.sim.agents import CHILD, MAIN
from tests.sim.call import Call, How
from tests.sim.queues import Queues


@define
class World:
    """A daemon that lets in whom it is told to let in; `server` are its rules."""

    server: ServerConfig
    now: float = 100.0
    calls: dict[str, Call] = field(factory=dict)
    inside: set[str] = field(factory=set)
    found: list[str] = field(factory=list)
    queues: Queues = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.queues = Queues(
            calls=self.calls,
            configs=[self.config()],
            waiting=lambda: len(self.calls) - len(self.inside),
            running=lambda: len(self.inside),
            broken=lambda _name, text: self.found.append(text),
            now=lambda: self.now,
        )

    def config(self) -> RouterConfig:
        return a_config(a_provider("a"), profiles=[a_profile("a")], server=self.server)

    def comes(self, mark: str, klass: str = MAIN, session: str | None = "s") -> None:
        self.calls[mark] = Call(mark, self.now, How.READS, True, DialectName.ANTHROPIC, "p", session, klass)  # noqa: FBT003 - it streams

    def enters(self, mark: str) -> None:
        self.inside.add(mark)
        self.queues.take("chain-resolved", {"request_id": mark})

    def ends(self, mark: str) -> None:
        self.inside.discard(mark)
        self.queues.take("request-complete", {"request_id": mark, "outcome": "ok"})
        del self.calls[mark]

    def passes(self, seconds: float = 1.0) -> None:
        self.queues.quiet()
        self.now += seconds


def a_world(**rules: object) -> World:
    return World(ServerConfig(**{"session_max_in_flight": 2, "queue_timeout_s": 60.0, **rules}))  # type: ignore[arg-type] # options


def test_a_main_agent_that_goes_in_with_the_next_place_is_fine() -> None:
    world = a_world(session_max_in_flight=1)
    world.comes("c1", CHILD)
    world.enters("c1")
    world.comes("c2", CHILD)
    world.comes("m")
    world.passes()
    world.ends("c1")
    world.enters("m")
    world.passes()

    assert world.found == []
    assert world.queues.waited == 1


def test_a_main_agent_that_children_pass_is_seen() -> None:
    world = a_world(session_max_in_flight=1)
    world.comes("c0", CHILD)
    world.enters("c0")
    world.comes("m")
    for number in range(1, 4):
        world.comes(f"c{number}", CHILD)
        world.passes()
        world.ends(f"c{number - 1}")
        world.enters(f"c{number}")
    world.passes()

    assert any("passed over 2 times" in text for text in world.found)


def test_other_sessions_may_pass_in_turn_and_no_more() -> None:
    world = a_world(max_running=1)
    world.comes("x0", session="x")
    world.enters("x0")
    world.comes("m")
    for number in range(1, 5):
        world.comes(f"x{number}", session="x")
        world.passes()
        assert world.found == []
        world.ends(f"x{number - 1}")
        world.enters(f"x{number}")
    world.passes()

    assert any("by 2 sessions" in text for text in world.found)


def test_whoever_waits_though_nothing_keeps_it_is_seen() -> None:
    world = a_world(max_running=2)
    world.comes("a", session=None)
    world.enters("a")
    world.comes("b", session=None)
    world.passes()

    assert len(world.found) == 1
    assert "nothing keeps it" in world.found[0]


def test_the_last_place_of_a_session_is_no_childs() -> None:
    world = a_world(session_max_in_flight=2)
    world.comes("c1", CHILD)
    world.enters("c1")
    world.comes("c2", CHILD)
    world.passes()
    assert world.found == []

    world.comes("m")
    world.passes()

    assert len(world.found) == 1


def test_nobody_may_wait_beyond_the_limit() -> None:
    world = a_world(max_running=1, queue_timeout_s=10.0)
    world.comes("a")
    world.enters("a")
    world.comes("b")
    world.passes(10.0)
    world.passes(1.0)
    assert world.found == []

    world.passes()

    assert "has waited for 11.00 s" in world.found[0]


def test_a_refusal_while_there_is_room_is_seen() -> None:
    world = a_world(max_running=1)
    world.passes()
    world.comes("a", session=None)
    world.queues.take("request-complete", {"request_id": "a", "outcome": str(ErrorKind.ALL_OVERLOADED)})

    assert "was refused a place" in world.found[0]


def test_a_place_without_a_request_and_a_waiter_without_one_are_seen() -> None:
    world = a_world()
    world.inside.add("nobody")
    world.passes()

    assert len(world.found) == 1


def test_a_client_of_an_earlier_daemon_waits_for_nothing() -> None:
    world = a_world()
    world.now = 50.0
    world.comes("old", session=None)
    world.inside.add("old")  # so that the daemon says that nobody waits
    world.queues.take("chain-resolved", {"request_id": "new"})
    world.now = 101.0
    world.queues.quiet()

    assert world.found == []
