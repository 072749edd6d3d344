"""The text of a first `router.toml`: what was found, in the order local, free, paid, embedded, each line with its reason."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from attrs import frozen

from router.config.schema_provider import VendorName
from router.onboarding.findings import Findings
from router.onboarding.servers import TITLES, LocalModel, LocalServer, ServerKind
from router.onboarding.vendors import (
    EMBEDDED_CONTEXT,
    EMBEDDED_MODEL,
    EMBEDDED_REQUIRES,
    EMBEDDED_URL,
    KINDS,
    VENDORS,
    Vendor,
    reached_by,
)

AGENT_WINDOW = 32768  # the least that a coding agent works in (clients.md 4), where the router itself asks for a window
OTHERS_LISTED = 20  # further models of a server that the comment names
_WIDTH = 120

_HEAD = """\
# Nursery Router: the configuration of this machine, written by `nursery-router init` from what it found.
#
# Change what you like: a running router takes a change up within two seconds, and a file with a mistake changes nothing.
# `nursery-router check` reads it and shows the result. Every option with its default: docs/configuration.md and
# conf/router.toml of the project. Keys are never stored here: the file names the variables that hold them.


# ---- Providers ------------------------------------------------------------------------------------------------------
"""

_LOCAL_LIMITS = """\
connect_timeout_s = 1        # this machine answers at once or not at all
timeout_s = 120              # between two pieces of an answer
first_byte_timeout_s = 1200  # a processor takes minutes to read the 29,000 tokens that a coding agent sends first
"""

_OLLAMA_WINDOW = (
    "Every request asks for a window of max_context_tokens. A larger one takes more memory; with a smaller one the first"
    " prompt of a coding agent, up to 29,000 tokens, does not fit."
)

_EMBEDDED_MANAGED = """\
# The embedded model: Qwen2.5-Coder 1.5B on llama.cpp. The router starts it with the first request that no provider before
# it has answered, and stops it when idle. `pip install 'nursery-router[local]'` installs what it needs.
"""

_EMBEDDED_FOREIGN = """\
# The embedded model: Qwen2.5-Coder 1.5B on llama.cpp. It was already running when this was written. To let the router run it,
# stop it and remove the `#` from [providers.restart].
"""

_EMBEDDED = f"""\
[[providers]]
name = "embedded"
base_url = "{EMBEDDED_URL}/v1"
model = "{EMBEDDED_MODEL}"
max_concurrency = 2          # its conversations share one context, and a processor serves two at most
queue_timeout_s = 600        # a third one waits
capabilities = {{ vision = false }}  # it cannot read images: they are replaced by a note instead of failing the request
connect_timeout_s = 1
timeout_s = 300              # two slow cores shared with a compiler still write a word in that time
first_byte_timeout_s = 1700  # 29,000 tokens of a coding agent took over 20 minutes on two busy cores; agents give up at 1,800 s
"""

_EMBEDDED_RESTART = f"""\
[providers.restart]
mode = "managed"
argv = ["python", "-m", "router.embedded", "--model", "{EMBEDDED_MODEL}", "--port", "8089", "--context", "{EMBEDDED_CONTEXT}"]
ready_url = "{EMBEDDED_URL}/health"
ready_timeout_s = 600        # the first start joins the model's parts, 1.1 GB, into one file
idle_stop_s = 3600           # a stop frees 2 GB and loses the prompt cache: not while the user is thinking
"""

_TAIL = """\
# The values of X-Router-Mode, and the profile of each.
[mode_aliases]
code = "coding"
fast = "small"

# Which profile answers for the model names of clients.
[model_map]
"claude-*haiku*" = "small"
"claude-*sonnet*" = "coding"
"claude-*opus*" = "coding"


# ---- How a request is routed ----------------------------------------------------------------------------------------

[routing]
default_profile = "coding"   # for a request that chooses none
"""

_SERVER = """
# [server] has the address (127.0.0.1, port 8088), limits and tokens. Outside of this machine it needs client_token_env.
"""


# the rows of the vendor table that local servers go by: their address does not tell
_HABITS: Mapping[ServerKind, VendorName] = {
    ServerKind.OLLAMA: "ollama",
    ServerKind.LM_STUDIO: "lm_studio",
    ServerKind.LLAMA_CPP: "llama_cpp",
    ServerKind.VLLM: "vllm",
}


@frozen(kw_only=True)
class Block:
    """One provider: its name and group, and its table as text."""

    name: str
    text: str
    is_paid: bool = False


def render(found: Findings, kinds: Collection[str] = KINDS) -> str:
    """Return a configuration that loads, also where nothing was found: then it has the embedded model to be installed."""
    local = _local_blocks(found.servers, found.ollama_context, kinds)
    cloud = [_vendor_block(vendor, kinds) for vendor in VENDORS if vendor.key_env in found.keys]
    free, paid = [one for one in cloud if not one.is_paid], [one for one in cloud if one.is_paid]
    last = [_embedded_block(found)] if _is_embedded_wanted(found, has_others=bool(cloud or local)) else []
    blocks = [*local, *free, *paid, *last]
    small = [*local, *free, *last] or blocks
    parts = [_HEAD, "\n".join(block.text for block in blocks), _profiles(blocks, small), _TAIL, _paid_line(paid), _SERVER]
    return "".join(parts)


def used_model(server: LocalServer) -> LocalModel | None:
    """Return the model that the configuration names for a server; None leaves the choice to it."""
    return server.models[0] if server.models else None


def is_embedded(server: LocalServer) -> bool:
    """Tell whether a server is the embedded model, started by hand or by a router; one that still loads is taken for it."""
    names = [model.name for model in server.models]
    return server.url == EMBEDDED_URL and (not names or EMBEDDED_MODEL in names)


def _local_blocks(servers: Iterable[LocalServer], ollama_context: int | None, kinds: Collection[str]) -> list[Block]:
    blocks: list[Block] = []
    for server in servers:
        if is_embedded(server) or (server.kind is ServerKind.OLLAMA and not server.models):
            continue
        same = sum(block.name.startswith(server.kind.value) for block in blocks)
        name = server.kind.value if not same else f"{server.kind.value}-{same + 1}"
        blocks.append(Block(name=name, text=_local_text(name, server, ollama_context, kinds)))
    return blocks


def _local_text(name: str, server: LocalServer, ollama_context: int | None, kinds: Collection[str]) -> str:
    model = used_model(server)
    native = (server.kind.value, server.url) if server.kind is ServerKind.OLLAMA else ("openai_compat", "")
    kind, url = reached_by(*native, f"{server.url}/v1", kinds)
    lines = [f"# {TITLES[server.kind]}, found at {server.url}.", *_others(server)]
    if kind == "ollama":
        lines += _comment(_OLLAMA_WINDOW)
    elif server.kind is ServerKind.OLLAMA:
        lines.append("# Ollama cuts long prompts unseen unless it was started with OLLAMA_CONTEXT_LENGTH=32768 or more.")
    lines += ["[[providers]]", f"name = {_text(name)}"]
    lines += [f"kind = {_text(kind)}"] if kind != "openai_compat" else []
    lines += [f"base_url = {_text(url)}"]
    if kind == "openai_compat" and (habits := _HABITS.get(server.kind)) is not None:
        lines.append(f"vendor = {_text(habits)}  # its habits: docs/vendors.md")
    lines += [f"model = {_text(model.name)}" if model else 'model = ""                   # what the server has loaded']
    given = ollama_context if server.kind is ServerKind.OLLAMA else None
    lines += _asked_window_lines(model, given) if kind == "ollama" else _window_lines(model, given)
    return "\n".join(lines) + "\n" + _LOCAL_LIMITS


def _asked_window_lines(model: LocalModel | None, ollama_context: int | None) -> list[str]:
    """Return the window that every request asks an Ollama for: what it gives by itself, but enough for a coding agent."""
    if model is None:
        return []
    window = max(model.window or ollama_context or AGENT_WINDOW, AGENT_WINDOW)
    return [f"max_context_tokens = {min(window, model.most or window)}"]


def _window_lines(model: LocalModel | None, ollama_context: int | None) -> list[str]:
    """Return the window where the server gives it; else what the model was made for, as a hint."""
    if model is None:
        return []
    window = model.window
    if window is None and ollama_context is not None:
        window = min(ollama_context, model.most or ollama_context)
    if window is not None:
        return [f"max_context_tokens = {window}"]
    if model.most is None:
        return []
    return [f"#max_context_tokens = {model.most}  # what the model was made for; the server did not report what it gives it"]


def _others(server: LocalServer) -> list[str]:
    """Return a comment with the server's other models."""
    names = [model.name for model in server.models[1:]]
    if not names:
        return []
    more = f", and {len(names) - OTHERS_LISTED} more" if len(names) > OTHERS_LISTED else ""
    return _comment(f"It also has {', '.join(names[:OTHERS_LISTED])}{more}.")


def _vendor_block(vendor: Vendor, kinds: Collection[str]) -> Block:
    kind, url = reached_by(vendor.native_kind, vendor.native_url, vendor.base_url, kinds)
    about = f"{vendor.title}. " + (
        "Costs money: asked only with [routing].allow_paid = true."
        if vendor.is_paid
        else f"{vendor.about} If your account is billed, add paid = true."
    )
    lines = [*_comment(about), "[[providers]]", f"name = {_text(vendor.name)}"]
    lines += [f"kind = {_text(kind)}"] if kind != "openai_compat" else []
    lines += [f"base_url = {_text(url)}", f"model = {_text(vendor.model)}  # or any other of its models"]
    lines += [f"api_key_env = {_text(vendor.key_env)}"]
    lines += ["paid = true"] if vendor.is_paid else []
    lines += [f"max_context_tokens = {vendor.window}"] if vendor.window is not None else []
    lines += ["timeout_s = 120              # an answer with long reasoning is silent for a while"]
    return Block(name=vendor.name, text="\n".join(lines) + "\n", is_paid=vendor.is_paid)


def _is_embedded_wanted(found: Findings, *, has_others: bool) -> bool:
    """Tell whether the embedded model belongs in: it is there, or nothing else is; a stranger at its address keeps it out."""
    there = [server for server in found.servers if server.url == EMBEDDED_URL]
    if there:
        return all(map(is_embedded, there))
    return found.has_embedded or not has_others


def _embedded_block(found: Findings) -> Block:
    """Return the embedded model: run by the router, or just asked where somebody else runs it already."""
    running = next((server for server in found.servers if is_embedded(server)), None)
    if running is None or found.is_router_running:
        needs = f"max_context_tokens = {EMBEDDED_CONTEXT}\nrequires = {json.dumps(EMBEDDED_REQUIRES)}\n"
        return Block(name="embedded", text=f"{_EMBEDDED_MANAGED}{_EMBEDDED}{needs}\n{_EMBEDDED_RESTART}")
    told = next((model.window for model in running.models if model.name == EMBEDDED_MODEL), None)
    quoted = "".join(f"#{line}\n" for line in _EMBEDDED_RESTART.splitlines())
    text = f"{_EMBEDDED_FOREIGN}{_EMBEDDED}max_context_tokens = {told or EMBEDDED_CONTEXT}\n\n{quoted}"
    return Block(name="embedded", text=text)


def _profiles(blocks: list[Block], small: list[Block]) -> str:
    return f"""

# ---- Profiles: which providers, in which order ----------------------------------------------------------------------
# The providers of a profile are asked from left to right until one answers.

[[profiles]]
name = "coding"
providers = {_names(blocks)}
#backend_health_action = "exclude"    # leave one that fails out until it has recovered: docs/healing.md
#context_budget_action = "reject"     # refuse a prompt that outgrows the window, so that the agent compacts it

# The small chores of coding agents (titles, summaries){": never anything paid" if len(small) < len(blocks) else ""}.
[[profiles]]
name = "small"
providers = {_names(small)}

"""


def _paid_line(paid: list[Block]) -> str:
    if not paid:
        return "#allow_paid = false          # providers with paid = true are asked only if this is true\n"
    names = ", ".join(block.name for block in paid)
    return f"#allow_paid = true           # remove the `#` to let {names} be asked; they cost money\n"


def _names(blocks: list[Block]) -> str:
    return "[" + ", ".join(_text(block.name) for block in blocks) + "]"


def _text(value: str) -> str:
    """Return a TOML string; JSON's escapes are TOML's, and what comes here is ASCII without control characters."""
    return json.dumps(value)


def _comment(text: str) -> list[str]:
    """Return a text as comment lines."""
    lines = ["#"]
    for word in text.split():
        if len(lines[-1]) + 1 + len(word) > _WIDTH and lines[-1] != "#":
            lines.append("#")
        lines[-1] += f" {word}"
    return lines
