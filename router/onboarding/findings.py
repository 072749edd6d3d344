"""What a look around this machine has found, as one value."""

from __future__ import annotations

from attrs import frozen

from router.onboarding.servers import LocalServer, ServerKind


@frozen(kw_only=True)
class Spot:
    """One address that is looked at; `usual` is who listens there as a rule."""

    usual: ServerKind
    url: str


@frozen(kw_only=True)
class Findings:
    """What was found. `keys` are names of variables, never what they hold."""

    asked: tuple[Spot, ...] = ()
    servers: tuple[LocalServer, ...] = ()
    keys: tuple[str, ...] = ()
    has_embedded: bool = False  # its packages are installed
    is_router_running: bool = False
    ollama_context: int | None = None  # OLLAMA_CONTEXT_LENGTH, as far as this shell knows it
