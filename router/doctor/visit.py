"""Who is visited, in which order: the machine first, then each provider; what costs money only where it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

from router.config.advice import why_not_asked
from router.config.redact import Redactor
from router.config.schema import LoadedConfig, ProviderConfig
from router.doctor.env_file import check_env, env_file
from router.doctor.examine import BACKEND, Examination, Tell, reach
from router.doctor.findings import Finding, Verdict, presentable
from router.doctor.machine import check_config, check_permissions, check_state
from router.doctor.port import check_port
from router.doctor.secret_checks import check_secrets
from router.doctor.served import is_near
from router.doctor.unit import check_unit
from router.onboarding.service_install import Systemctl
from router.state.directory import state_directory


@frozen(kw_only=True)
class Wanted:
    """What the command line asks for; nothing of it: all that costs nothing.

    `has_env` without `env_path` looks for the file itself."""

    models: tuple[str, ...] = ()
    is_all: bool = False
    pays: bool = False
    has_env: bool = False
    env_path: Path | None = None
    has_secrets: bool = False

    @property
    def is_bare(self) -> bool:
        """Whether nothing particular is asked for."""
        return not (self.models or self.is_all or self.has_env or self.has_secrets)


@frozen(kw_only=True)
class ThisMachine:
    """What of this machine is looked at."""

    environ: Mapping[str, str] = field(repr=False)
    here: Path
    units: Path
    systemctl: Systemctl


@frozen(kw_only=True)
class Visit:
    """One run of the doctor over a configuration and its `text`; `step` hears what is looked at now."""

    loaded: LoadedConfig
    text: str
    around: ThisMachine
    tell: Tell
    step: Callable[[str], None] = lambda _what: None

    async def run(self, wanted: Wanted) -> None:
        """Tell every finding as it comes, without a secret. Raises KeyError for a provider that is not configured."""
        providers = tuple(self._chosen(wanted))
        self.step("checking this machine")
        if wanted.is_bare:
            await self._look_at_the_machine()
        if wanted.is_bare or wanted.has_env:
            path = env_file(wanted.env_path, self.around.environ, here=self.around.here)
            for finding in await check_env(path, is_named=wanted.env_path is not None):
                self._tell(finding)
        if wanted.is_bare or wanted.has_secrets:
            state = state_directory(self.loaded.config.server.state_dir)
            for finding in check_secrets(self.loaded, self.text, state, self.around.environ):
                self._tell(finding)
        for provider in providers:
            self.step(f"asking {provider.name}")
            await self._look_at(provider, wanted)

    async def _look_at_the_machine(self) -> None:
        for finding in check_config(self.loaded):
            self._tell(finding)
        self._tell(check_permissions(self.loaded.path))
        self._tell(check_state(state_directory(self.loaded.config.server.state_dir)))
        self._tell(await check_unit(self.around.units, self.around.systemctl, self.loaded))
        self._tell(await check_port(self.loaded.config.server))

    def _chosen(self, wanted: Wanted) -> Iterator[ProviderConfig]:
        by_name = {provider.name: provider for provider in self.loaded.config.providers}
        if wanted.models:
            yield from (by_name[name] for name in dict.fromkeys(wanted.models))
        elif wanted.is_all or wanted.is_bare:
            yield from by_name.values()

    async def _look_at(self, provider: ProviderConfig, wanted: Wanted) -> None:
        is_named = provider.name in wanted.models
        unconfigured = self.loaded.secrets.unconfigured
        why = None if is_named else self._why_not(provider, wanted)
        if why is not None:
            self._tell(Finding(check=BACKEND, verdict=Verdict.SKIP, provider=provider.name, seen=why))
        elif not is_named and provider.name in unconfigured:
            detail = unconfigured[provider.name].detail
            self._tell(Finding(check=BACKEND, verdict=Verdict.SKIP, provider=provider.name, seen=f"is skipped: {detail}"))
        elif is_named or wanted.is_all or is_near(provider) or (wanted.pays and provider.paid):
            await Examination(loaded=self.loaded, config=provider, tell=self._tell).run()
        else:
            self._tell(await reach(self.loaded, provider))

    def _why_not(self, provider: ProviderConfig, wanted: Wanted) -> str | None:
        if provider.paid and not wanted.pays:
            return f"costs money: to ask it, use --paid or --check-model {provider.name}"
        why = why_not_asked(self.loaded.config, provider, {})
        return "is disabled" if why == "disabled" else None

    def _tell(self, finding: Finding) -> None:
        self.tell(presentable(finding, Redactor.of(self.loaded.secrets.sensitive)))
