"""The coding agents as they are run: command, environment and files of a home directory that holds nothing else.

Each is told its address the way its own documents say, and asked one question without a terminal. Source: clients.md 1."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / ".clients"
PINS = HERE / "package.json"
BINARIES = INSTALLED / "node_modules" / ".bin"
KEY = "no-key-is-needed"


def _nothing(url: str) -> Mapping[str, str]:
    return {}


@frozen(kw_only=True)
class Agent:
    """One client. `kind` is the API that it speaks; `models` are the names it is given: they change what it sends.

    `files` are paths below its home."""

    name: str
    kind: str
    package: str
    program: str
    models: tuple[str, ...]
    arguments: Callable[[str, str, str], Sequence[str]]  # prompt, model, address
    variables: Callable[[str], Mapping[str, str]]  # address
    files: Callable[[str], Mapping[str, str]] = field(default=_nothing)

    @property
    def path(self) -> Path:
        return BINARIES / self.program

    def command(self, prompt: str, *, model: str, url: str) -> list[str]:
        """Return the command line of one question."""
        return [str(self.path), *self.arguments(prompt, model, url)]

    def environment(self, home: Path, url: str) -> dict[str, str]:
        """Return the whole environment: nothing of this machine but where its programs are."""
        base = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home), "TMPDIR": str(home / "tmp")}
        return base | dict(self.variables(url))

    def prepare(self, home: Path, url: str) -> None:
        """Write the files of its home."""
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        for name, text in self.files(url).items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def _claude_arguments(prompt: str, model: str, url: str) -> Sequence[str]:
    return ("-p", prompt, "--model", model, "--allowedTools", "Read,Bash(cat:*)")


def _claude_variables(url: str) -> Mapping[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_STREAM_IDLE_TIMEOUT_MS": "1800000",
        "API_TIMEOUT_MS": "3600000",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
    }


def _codex_arguments(prompt: str, model: str, url: str) -> Sequence[str]:
    settings = {
        "model_provider": "router",
        "model_providers.router.name": "router",
        "model_providers.router.base_url": f"{url}/v1",
        "model_providers.router.env_key": "ROUTER_KEY",
        "model_providers.router.wire_api": "responses",
        "model_providers.router.stream_idle_timeout_ms": 1_800_000,  # its own 300 s are too short for a model on a processor
    }
    pairs = [word for key, value in settings.items() for word in ("-c", f"{key}={json.dumps(value)}")]
    # its sandbox needs user namespaces, which a container need not have; the directory is a scratch one
    return ("exec", "--skip-git-repo-check", "-s", "danger-full-access", "-m", model, *pairs, prompt)


def _codex_variables(url: str) -> Mapping[str, str]:
    return {"ROUTER_KEY": KEY}


def _codex_files(url: str) -> Mapping[str, str]:
    return {".codex/config.toml": "check_for_update_on_startup = false\n\n[analytics]\nenabled = false\n"}


def _gemini_arguments(prompt: str, model: str, url: str) -> Sequence[str]:
    return ("-p", prompt, "-m", model, "--approval-mode", "yolo")


def _gemini_variables(url: str) -> Mapping[str, str]:
    return {
        "GEMINI_API_KEY": KEY,
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        "GEMINI_TELEMETRY_ENABLED": "false",
    }


def _gemini_files(url: str) -> Mapping[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    }
    return {".gemini/settings.json": json.dumps(settings)}


AGENTS = (
    Agent(
        name="claude",
        kind="anthropic",
        package="@anthropic-ai/claude-code",
        program="claude",
        models=("claude-sonnet-4-6", "coding"),  # for a name that is not Anthropic's it sends another prompt and a system turn
        arguments=_claude_arguments,
        variables=_claude_variables,
    ),
    Agent(
        name="codex",
        kind="openai_responses",
        package="@openai/codex",
        program="codex",
        models=("coding", "gpt-5.5", "gpt-6.2-sol"),  # names that it knows bring freeform tools, the newest a JavaScript one
        arguments=_codex_arguments,
        variables=_codex_variables,
        files=_codex_files,
    ),
    Agent(
        name="gemini",
        kind="gemini",
        package="@google/gemini-cli",
        program="gemini",
        models=("gemini-2.5-flash", "auto"),  # for `auto` it first asks a small model how hard the question is
        arguments=_gemini_arguments,
        variables=_gemini_variables,
        files=_gemini_files,
    ),
)


def pinned(agent: Agent) -> str:
    """Return the version that package.json asks for."""
    pins = json.loads(PINS.read_text())["dependencies"]
    return str(pins[agent.package])


def missing() -> list[str]:
    """Return the agents that are not installed."""
    return [agent.name for agent in AGENTS if not agent.path.exists()]
