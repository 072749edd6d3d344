"""The export to an OpenTelemetry collector, where `[otel]` asks for it: begun with the parts, ended last, waited for 1 s.

Its packages are an extra: they are imported here, and only then. The configuration was refused where they are missing."""

from __future__ import annotations

from collections.abc import Callable

import trio

from router.config.redact import LiveRedactor
from router.config.schema import LoadedConfig, ProviderConfig
from router.observers.fanout import Fanout
from router.providers.adapter import own_version

END_S = 1.0  # for what is still queued; a collector that does not answer keeps no router from its end

Closers = tuple[Callable[[], None], ...]


def is_wanted(loaded: LoadedConfig) -> bool:
    """Tell whether a daemon that starts with this configuration exports, until its end."""
    return loaded.config.otel.enabled


def begin(
    fanout: Fanout, loaded: LoadedConfig, redactor: LiveRedactor, config_of: Callable[[str], ProviderConfig | None]
) -> Closers:
    """Let the exporter listen; return what `end` is to call, () where `[otel]` is off.

    `config_of` gives the provider of that name as it is configured at the time."""
    if not is_wanted(loaded):
        return ()
    from router.observers.otel import collector, open_otel  # noqa: PLC0415 - an extra, and 0.3 s of the start
    from router.observers.otel_words import Upstream  # noqa: PLC0415 - likewise

    known: dict[str, tuple[ProviderConfig, Upstream]] = {}

    def upstream_of(name: str) -> Upstream | None:
        if (config := config_of(name)) is None:
            return None
        if name not in known or known[name][0] is not config:
            known[name] = (config, Upstream.of(config))
        return known[name][1]

    outlets = collector(loaded.config.otel, loaded.secrets.export_headers)
    otel = open_otel(loaded.config.otel, outlets, version=own_version(), upstream_of=upstream_of, redact=redactor.redact)
    fanout.listen("otel", otel)
    return otel.closers()


async def end(closers: Closers) -> None:
    """Send what is left, for at most END_S; the library's threads end with the process."""
    with trio.move_on_after(END_S, shield=True):
        async with trio.open_nursery() as nursery:
            for close in closers:
                nursery.start_soon(_in_thread, close)


async def _in_thread(close: Callable[[], None]) -> None:
    await trio.to_thread.run_sync(close, abandon_on_cancel=True)
