"""What each client has to be told to use a router: values in, a Setup out (routing.md 17.2, clients.md 1, peers.md 1h).

Claude Code's variables are those of its page `env-vars`; how it counts a window is what its own messages and clients.md
say: it keeps the reserve for an answer and 13,000 tokens free before it compacts by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from router.onboarding.client_facts import GEMINI_MODEL, RouterFacts
from router.onboarding.client_setup import PLACEHOLDER, FileFormat, Setup, Variable

CLAUDE_WINDOW = 200_000  # what Claude Code takes for granted
CLAUDE_PROMPT = 29_000  # its own prompt with its tools, before anything was said: 29,241 of Qwen's tokens in 2.1.332
CLAUDE_LEAST_COMPACT = 100_000  # it takes a smaller window to compact at for this one
CLAUDE_COMPACT_MARGIN = 13_000  # it compacts so long before the window, less its reserve for an answer, is full
CLAUDE_ROOM = 8_000  # between its prompt and the first compaction; with less it would compact after every word
LARGEST_OUTPUT = 32_000  # what Claude Code asks for by itself
SHARE_OF_OUTPUT = 8  # of a window, for one answer
MAX_PROFILES = 12  # in one line of remarks
PATIENCE_MS = 1_800_000  # half an hour: two busy cores read the 29,000 tokens of a first prompt for over 20 minutes
# what `claude` says for some windows and providers only
_MANAGED = (
    "ANTHROPIC_AUTH_TOKEN",  # counts before an apiKeyHelper
    "CLAUDE_CODE_MAX_CONTEXT_TOKENS",
    "CLAUDE_CODE_AUTO_COMPACT_WINDOW",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
    "DISABLE_AUTO_COMPACT",
    "API_TIMEOUT_MS",
    "CLAUDE_STREAM_IDLE_TIMEOUT_MS",
)
NAMES_CLAUDE = frozenset({"claude", "vscode", "anthropic-sdk"})


def claude(facts: RouterFacts) -> Setup:
    """Claude Code."""
    variables = (
        Variable(name="ANTHROPIC_BASE_URL", value=facts.url),
        _token("ANTHROPIC_AUTH_TOKEN", facts),
        Variable(
            name="ANTHROPIC_MODEL",
            value=facts.claude_model,
            why="Names that the client knows; the router maps them to its own models with [model_map].",
        ),
        Variable(name="ANTHROPIC_DEFAULT_HAIKU_MODEL", value=facts.claude_small_model),
        *_claude_window(facts),
        *_claude_patience(facts),
        Variable(
            name="CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY",
            value="1",
            why="For a list of models, the class of each request for the router's rules, and whole lists of tools.",
        ),
        Variable(name="CLAUDE_CODE_GATEWAY_HINT_HEADERS", value="1"),
        Variable(name="ENABLE_TOOL_SEARCH", value="false"),
        Variable(name="CLAUDE_CODE_AUTO_MODE_SERVER", value="0"),
        Variable(
            name="CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            value="1",
            why="Connect to the router only: no telemetry, no updates.",
        ),
    )
    env: dict[str, object] = {one.name: one.value for one in variables if not one.is_reference}
    document: dict[str, object] = {"env": env}
    if facts.token_env is not None:  # a settings file expands no variables
        document["apiKeyHelper"] = f"printenv {facts.token_env}"
    return Setup(
        variables=variables,
        document=document,
        managed=tuple(("env", name) for name in _MANAGED),
        notes=(*_window_notes(facts), *_token_notes(facts), *_second_key_notes(facts)),
        file_format=FileFormat.JSON,
        file="~/.claude/settings.json",
    )


def vscode(facts: RouterFacts) -> Setup:
    """Claude Code in the terminal of VS Code, for every shell that it opens."""
    inside = claude(facts)
    env = {one.name: f"${{env:{one.value}}}" if one.is_reference else one.value for one in inside.variables}
    document = {f"terminal.integrated.env.{system}": env for system in ("linux", "osx", "windows")}
    return Setup(
        document=document,
        managed=tuple((key, name) for key in document for name in _MANAGED),
        notes=inside.notes,
        file_format=FileFormat.JSON,
        file=".vscode/settings.json",
        shows_document=True,
    )


def codex(facts: RouterFacts) -> Setup:
    """Codex CLI."""
    provider: dict[str, object] = {
        "name": "Nursery Router",
        "base_url": f"{facts.url}/v1",
        "wire_api": "responses",
        **({} if facts.token_env is None else {"env_key": facts.token_env}),
        "supports_websockets": False,  # each session would try one first and wait for seconds (peers.md 1h)
        **({"stream_idle_timeout_ms": PATIENCE_MS} if facts.is_slow else {}),
    }
    window: dict[str, object] = {}
    if facts.window is not None:
        window = {
            "model_context_window": facts.window,
            "model_auto_compact_token_limit": facts.window - max(output_of(facts.window), facts.window // 5),
        }
    document = {"model": facts.profile, "model_provider": "router", **window, "model_providers": {"router": provider}}
    notes = (
        "Codex warns that it does not know the model; ignore that. The lines above the table must stand before all tables.",
        *_window_notes(facts),
        *_token_notes(facts),
    )
    of_provider = (("model_providers", "router", key) for key in ("env_key", "stream_idle_timeout_ms"))
    return Setup(
        document=document,
        managed=(("model_context_window",), ("model_auto_compact_token_limit",), *of_provider),
        notes=notes,
        file_format=FileFormat.TOML,
        file="~/.codex/config.toml",
        shows_document=True,
    )


def gemini(facts: RouterFacts) -> Setup:
    """gemini-cli."""
    login = "With a saved Google login it ignores the address: choose `Use Gemini API Key` with /auth."
    # an address of one's own makes it guess another way to log in, which it then refuses; no variable says otherwise
    auth = 'It does not start without this in ~/.gemini/settings.json: {"security": {"auth": {"selectedType": "gemini-api-key"}}}'
    return Setup(
        variables=(
            Variable(name="GOOGLE_GEMINI_BASE_URL", value=facts.url),
            _token("GEMINI_API_KEY", facts),
            Variable(name="GEMINI_MODEL", value=GEMINI_MODEL),
        ),
        notes=(auth, login, *_token_notes(facts), *_shell_notes(facts, "GEMINI_API_KEY")),
        file_format=FileFormat.DOTENV,
        file="~/.gemini/.env",
    )


def opencode(facts: RouterFacts) -> Setup:
    """Opencode."""
    limit: Mapping[str, object] = {}
    if facts.window is not None:
        limit = {"limit": {"context": facts.window, "output": output_of(facts.window)}}
    models = {name: {"name": name, **limit} for name in dict.fromkeys((facts.profile, facts.small_profile))}
    options = {
        "baseURL": f"{facts.url}/v1",
        "apiKey": PLACEHOLDER if facts.token_env is None else f"{{env:{facts.token_env}}}",
        **({"timeout": PATIENCE_MS, "headerTimeout": PATIENCE_MS, "chunkTimeout": PATIENCE_MS} if facts.is_slow else {}),
    }
    document = {
        "$schema": "https://opencode.ai/config.json",
        "provider": {
            "router": {"npm": "@ai-sdk/openai-compatible", "name": "Nursery Router", "options": options, "models": models}
        },
        "model": f"router/{facts.profile}",
        "small_model": f"router/{facts.small_profile}",
    }
    return Setup(
        document=document,
        managed=(
            *(("provider", "router", "options", key) for key in ("timeout", "headerTimeout", "chunkTimeout")),
            *(("provider", "router", "models", name, "limit") for name in models),
        ),
        notes=(*_window_notes(facts), *_token_notes(facts)),
        file_format=FileFormat.JSON,
        file="~/.config/opencode/opencode.json",
        shows_document=True,
    )


def aider(facts: RouterFacts) -> Setup:
    """Aider."""
    slow = (Variable(name="AIDER_TIMEOUT", value=str(PATIENCE_MS // 1000)),) if facts.is_slow else ()
    return Setup(
        variables=(
            Variable(name="OPENAI_API_BASE", value=f"{facts.url}/v1"),
            _token("OPENAI_API_KEY", facts),
            Variable(name="AIDER_MODEL", value=f"openai/{facts.profile}"),
            Variable(name="AIDER_WEAK_MODEL", value=f"openai/{facts.small_profile}"),
            Variable(name="AIDER_SHOW_MODEL_WARNINGS", value="false", why="It does not know these names; that has no effect."),
            *slow,
        ),
        notes=(*_token_notes(facts), *_shell_notes(facts, "OPENAI_API_KEY")),
        file_format=FileFormat.DOTENV,
        file=".env",
    )


def cline(facts: RouterFacts) -> Setup:
    """Cline."""
    key = PLACEHOLDER if facts.token_env is None else f"(the value of {facts.token_env})"
    window = () if facts.window is None else (f"Context Window Size: {facts.window}",)
    output = () if facts.window is None else (f"Max Output Tokens: {output_of(facts.window)}",)
    return Setup(
        lines=(
            "API Provider: OpenAI Compatible",
            f"Base URL: {facts.url}/v1",
            f"API Key: {key}",
            f"Model ID: {facts.profile}",
            *window,
            *output,
        ),
        notes=("Cline has no file for this: type it into its settings, under API Configuration.",),
    )


def continue_dev(facts: RouterFacts) -> Setup:
    """Continue."""
    key = PLACEHOLDER if facts.token_env is None else f"${{{{ secrets.{facts.token_env} }}}}"
    window = (
        ()
        if facts.window is None
        else (
            "    defaultCompletionOptions:",
            f"      contextLength: {facts.window}",
            f"      maxTokens: {output_of(facts.window)}",
        )
    )
    secret = () if facts.token_env is None else (f"{facts.token_env} must be set in ~/.continue/.env.",)
    return Setup(
        lines=(
            "models:",
            "  - name: Nursery Router",
            "    provider: openai",
            f"    model: {json.dumps(facts.profile)}",  # YAML would read a plain `on` or `1.5` as what is no text
            f"    apiBase: {facts.url}/v1",
            f"    apiKey: {key}",
            "    roles: [chat, edit, apply]",
            "    capabilities: [tool_use]",
            *window,
        ),
        notes=("For ~/.continue/config.yaml; add the entry to an existing `models:` list.", *secret),
    )


def openai_sdk(facts: RouterFacts) -> Setup:
    """OpenAI's SDKs."""
    return _sdk(facts, "OPENAI_BASE_URL", f"{facts.url}/v1", "OPENAI_API_KEY")


def anthropic_sdk(facts: RouterFacts) -> Setup:
    """Anthropic's SDKs."""
    return _sdk(facts, "ANTHROPIC_BASE_URL", facts.url, "ANTHROPIC_API_KEY")


def google_genai(facts: RouterFacts) -> Setup:
    """Google's SDKs."""
    return _sdk(facts, "GOOGLE_GEMINI_BASE_URL", facts.url, "GEMINI_API_KEY")


CLIENTS: Mapping[str, Callable[[RouterFacts], Setup]] = {
    "claude": claude,
    "vscode": vscode,
    "codex": codex,
    "gemini": gemini,
    "opencode": opencode,
    "aider": aider,
    "cline": cline,
    "continue": continue_dev,
    "openai-sdk": openai_sdk,
    "anthropic-sdk": anthropic_sdk,
    "google-genai": google_genai,
}


def output_of(window: int) -> int:
    """Return how long one answer may be in a window, so that most of it is left for the conversation."""
    return min(LARGEST_OUTPUT, max(window // SHARE_OF_OUTPUT, 1))


def _sdk(facts: RouterFacts, url_name: str, url: str, key_name: str) -> Setup:
    return Setup(
        variables=(Variable(name=url_name, value=url), _token(key_name, facts)),
        notes=(
            _profiles_note(facts),
            *_token_notes(facts),
            *_shell_notes(facts, key_name),
        ),
        file_format=FileFormat.DOTENV,
        file=".env",
    )


def _profiles_note(facts: RouterFacts) -> str:
    """Return what may be named as the model, the default profile first."""
    names = [*dict.fromkeys((facts.profile, *facts.profiles))]
    more = f" and {len(names) - MAX_PROFILES} more" if len(names) > MAX_PROFILES else ""
    return f"Name a profile as the model: {', '.join(names[:MAX_PROFILES])}{more}."


def _claude_window(facts: RouterFacts) -> tuple[Variable, ...]:
    """Return what fits Claude Code into the window: it believes in 200,000 tokens for every name that it knows.

    MAX_CONTEXT_TOKENS holds for names that do not begin with claude-, AUTO_COMPACT_WINDOW for those, downwards to 100,000
    only: Claude Code 2.1.332 says on its standard error that it takes less for that."""
    window = facts.window
    if window is None:
        return ()
    output = output_of(window)
    why = f"The window of the provider that is asked first: {window} tokens."
    variables = [Variable(name="CLAUDE_CODE_MAX_CONTEXT_TOKENS", value=str(window), why=why)]
    if window < CLAUDE_WINDOW:
        variables += [
            Variable(name="CLAUDE_CODE_AUTO_COMPACT_WINDOW", value=str(max(window, CLAUDE_LEAST_COMPACT))),
            Variable(name="CLAUDE_CODE_MAX_OUTPUT_TOKENS", value=str(output)),
        ]
    if window - output - CLAUDE_COMPACT_MARGIN < CLAUDE_PROMPT + CLAUDE_ROOM:
        small = (
            "Its own prompt is longer than its compaction limit, so it would compact endlessly: use /compact or /clear yourself."
        )
        variables.append(Variable(name="DISABLE_AUTO_COMPACT", value="1", why=small))
    return tuple(variables)


def _claude_patience(facts: RouterFacts) -> tuple[Variable, ...]:
    if not facts.is_slow:
        return ()
    why = "A local model may take minutes to read the prompt; without these the client gives up and starts over."
    return (
        Variable(name="API_TIMEOUT_MS", value=str(PATIENCE_MS), why=why),
        Variable(name="CLAUDE_STREAM_IDLE_TIMEOUT_MS", value=str(PATIENCE_MS)),
    )


def _token(name: str, facts: RouterFacts) -> Variable:
    if facts.token_env is None:
        return Variable(name=name, value=PLACEHOLDER)
    return Variable(name=name, value=facts.token_env, is_reference=True)


def _token_notes(facts: RouterFacts) -> tuple[str, ...]:
    if facts.token_env is None or not facts.has_many_tokens:
        return ()
    return (f"{facts.token_env} holds several tokens: give the client one of them.",)


def _shell_notes(facts: RouterFacts, key_name: str) -> tuple[str, ...]:
    if key_name not in facts.key_envs:
        return ()
    return (f"Not in the shell that starts the router, which reads the vendor's own key from {key_name}.",)


def _second_key_notes(facts: RouterFacts) -> tuple[str, ...]:
    if "ANTHROPIC_API_KEY" not in facts.key_envs:
        return ()
    return (
        "If ANTHROPIC_API_KEY is set as well, Claude Code complains about two keys: unset it in its shell, not in the router's.",
    )


def _window_notes(facts: RouterFacts) -> tuple[str, ...]:
    if facts.window is None:
        return ("The window of the provider that is asked first is not known: set max_context_tokens in the configuration.",)
    if facts.narrowest is None:
        return ()
    name, window = facts.narrowest
    return (f"The provider {name} has a smaller window, {window} tokens: longer requests skip it.",)
