"""Command lines of servers: which only a shell can run, and which never end by themselves (routing.md 19.3)."""

from __future__ import annotations

from collections.abc import Sequence

_SHELL_ONLY = "|&;<>()$`*?~\n"  # characters that mean something to a shell and nothing to the system

# programs that stay in the foreground: as a oneshot each would be ended at its time limit
_FOREGROUND = (("ollama", "serve"), ("llama-server",), ("vllm", "serve"), ("mlx_lm.server",))


def needs_shell(line: str) -> bool:
    """Tell whether a command line has something in it that only a shell understands."""
    return any(char in _SHELL_ONLY for char in line)


def stays_in_foreground(argv: Sequence[str]) -> bool:
    """Tell whether a command is known to run on as the server itself."""
    return any(tuple(argv[: len(words)]) == words for words in _FOREGROUND)
