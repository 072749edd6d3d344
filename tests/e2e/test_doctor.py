"""The doctor at llama.cpp's real server: wrong settings are found, mended, and put back byte for byte."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import trio

from tests.e2e.daemon import free_port, open_program

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.local_tiny]
CACHE = platformdirs.user_cache_path("nursery-router") / "models"  # the user's: 253 MB are joined once
WINDOW = 4096
SLOTS = 4  # of `python -m router.embedded`
# Six things are wrong: the path, the time limit, the window, the slots, the tools, and the markers that the model writes.
# The two keys at the end keep its answers short, and with them the test.
WRONG = """\
# written by hand
[server]
port = {port}
state_dir = "{state}"

[[providers]]
name = "tiny"
base_url = "http://127.0.0.1:{server}/v2"   # where it is
model = "gemma3-270m"
max_context_tokens = 131072      # what it reads
first_byte_timeout_s = 0.01
slot_affinity_slots = 16
capabilities = {{ tools = true }}
drop_fields = ["max_tokens", "max_completion_tokens"]
extra_body = {{ n_predict = 40 }}

# who asks it
[[profiles]]
name = "default"
providers = ["tiny"]
"""
MENDED = {
    "base_url": "http://127.0.0.1:{server}/v1",
    "first_byte_timeout_s": 30.0,
    "max_context_tokens": WINDOW,
    "slot_affinity_slots": SLOTS,
    "capabilities.tools": False,
    "output_filters": ["strip_stop_markers"],
}


async def router(*words: str, config: Path) -> tuple[int, Any]:
    """Run one command with --json; return its exit code and its document."""
    command = [sys.executable, "-m", "router", *words, "--json", "--config", str(config)]
    ran = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    assert not ran.stderr, ran.stderr.decode()
    return ran.returncode, json.loads(ran.stdout)


async def test_wrong_settings_are_found_in_one_visit_mended_and_put_back_byte_for_byte(tmp_path: Path) -> None:
    server, config = free_port(), tmp_path / "router.toml"
    config.write_text(WRONG.format(port=free_port(), server=server, state=tmp_path / "state"))
    before = config.read_bytes()
    embedded = ["-m", "router.embedded", "--model", "gemma3-270m", "--port", str(server)]
    # one thread: several wait for each other by turning round and round, which takes for ever on a machine that is busy
    command = [*embedded, "--context", str(WINDOW), "--threads", "1", "--cache", str(CACHE)]
    async with open_program(command, port=server, ready_path="/health", directory=tmp_path):
        found_code, found = await router("doctor", "--all", "--apply", config=config)
        clean_code, clean = await router("doctor", "--all", "--apply", config=config)
    after = config.read_bytes()
    backup = tmp_path / "router.toml.bak"

    settings = {one["key"]: one["value"] for finding in found["findings"] for one in finding["settings"]}
    expected = {key: value.format(server=server) if isinstance(value, str) else value for key, value in MENDED.items()}
    assert (found_code, settings) == (1, expected), found["findings"]
    assert found["applied"] == {"status": "written", "backup": str(backup)}
    tiny = tomllib.loads(after.decode())["providers"][0]
    assert {key: tiny[key] if "." not in key else tiny["capabilities"]["tools"] for key in expected} == expected
    assert b"# where it is" in after
    assert b"# who asks it" in after

    assert clean_code == 0, clean["findings"]
    assert (clean["patch"], clean["applied"]) == ("", {"status": "unchanged", "backup": None})
    assert backup.read_bytes() == before

    rolled_code, rolled = await router("rollback", config=config)
    assert (rolled_code, rolled["status"]) == (0, "restored")
    assert (config.read_bytes(), backup.read_bytes()) == (before, after)
    await router("rollback", config=config)
    assert (config.read_bytes(), backup.read_bytes()) == (after, before)
