"""What the servers behind the providers tell of their models: memory, window, until when. Written by the probing side."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, evolve, field

from router.domain.server_state import UNKNOWN, ServerState
from router.providers.capabilities import Capabilities, as_served


@define(eq=False)
class Servers:
    """The latest state of each provider whose server tells one."""

    _states: dict[str, ServerState] = field(factory=dict)

    def learn(self, provider: str, state: ServerState | None) -> None:
        """Take what was seen; None: nobody answered, so that whether the model is in memory is not known any more.

        The window of a model that has left the memory stays: it will be loaded with the same again."""
        old = self.state_of(provider)
        if state is None:
            self._states[provider] = evolve(old, is_loaded=None, size_bytes=None, vram_bytes=None, expires_at=None)
        elif state.loaded_window is None:
            self._states[provider] = evolve(state, loaded_window=old.loaded_window)
        else:
            self._states[provider] = state

    def state_of(self, provider: str) -> ServerState:
        """Return what is known of one provider's model."""
        return self._states.get(provider, UNKNOWN)

    def forget(self, provider: str) -> None:
        """Drop what was told by a server that is another one from now on."""
        self._states.pop(provider, None)

    def corrected(self, declared: Mapping[str, Capabilities]) -> Mapping[str, Capabilities]:
        """Return what each provider can do, with the windows that their servers really have."""
        told = {name: as_served(declared[name], state) for name, state in self._states.items() if name in declared}
        return {**declared, **told} if told else declared
