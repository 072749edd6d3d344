"""Where the daemon is, by what can be read of a file with mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.load import Surroundings, load_server

PATH = Path("router.toml")
SERVER = '[server]\nport = 18088  # mine\nadmin_token_env = "ADMIN"\n'


@pytest.mark.parametrize(
    ("text", "port"),
    [
        (f"{SERVER}prot = 1\n", 18088),
        (f"{SERVER}max_running = 1.5\n[[providers]]\nname = 1\n", 18088),
        (f"[[providers\n{SERVER}[routing]\nport = 2\n", 18088),
        (f'{SERVER}log_level = "\n', 18088),
        (f'{SERVER}[[providers]]\nargv = [\n  "--host",\n  "--port",\n', 18088),
        ('[server]\nadmin_token_env = "ADMIN"\n# port = 9000\n[[providers\n', 8088),
    ],
)
def test_of_a_text_with_mistakes_it_is_read_where_the_daemon_is(text: str, port: int) -> None:
    found, unread = load_server(text, path=PATH, around=Surroundings(environ={"ADMIN": "a-token-of-12"}))

    assert unread.isdisjoint({"host", "port"})
    assert (found.config.server.host, found.config.server.port) == ("127.0.0.1", port)
    assert found.secrets.admin_token is not None


@pytest.mark.parametrize(
    "said",
    [
        '[server]\nport = "9000"\n',
        "[server]\nport = 70000\n",
        "[server]\nprot = 9000\n",
        "[[server]]\nport = 9000\n",
        "[sever]\nport = 9000\n",
        "port = 9000\n[server]\n",
        '[server]\nport = "9000\n',
        "[server]\nport 9000\n",
        "[server\nport = 9000\n",
        "[ server ]\nport = 9000\n[[\n",
        "[server] port = 9000\n",
        "server.port = 9000\n[[\n",
        'server = { host = "::1", port = 9000 }\n[[\n',
        "[server]\n<<<<<<< ours\nport = 9000\n=======\nport = 9001\n>>>>>>> theirs\n",
    ],
)
def test_a_port_that_is_said_and_cannot_be_read_is_not_that_of_the_defaults(said: str) -> None:
    _, unread = load_server(said, path=PATH, around=Surroundings())
    _, without = load_server(said, path=PATH, around=Surroundings(sets=("server.port=7",)))

    assert ("port" in unread, "port" in without) == (True, False)


@pytest.mark.parametrize("text", ["", "server = 1\n", "[server]\n[[[\n", "\0"])
def test_what_says_nothing_of_the_server_is_that_of_the_defaults(text: str) -> None:
    around = Surroundings(sets=("server.state_dir=/tmp/x", "nonsense"))

    found, unread = load_server(text, path=PATH, around=around)

    assert (found.config.server.port, unread & {"host", "port"}) == (8088, set())


@pytest.mark.parametrize("flag", ["server.port", "server.port:9000", "server.port=many", "port=9000", "server.prot=9000"])
def test_a_port_that_a_flag_does_not_say_well_is_not_that_of_the_defaults(flag: str) -> None:
    _, unread = load_server("", path=PATH, around=Surroundings(sets=(flag,)))

    assert "port" in unread


def test_flags_are_put_over_a_text_with_mistakes() -> None:
    around = Surroundings(sets=("nonsense", "server.port=7"), mode="nobody")

    found, _ = load_server("[server]\nport = 1\nprot = 1\n", path=PATH, around=around)

    assert found.config.server.port == 7
