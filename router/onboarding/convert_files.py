"""`router convert`: the files that are read, the one that is written, and what is told (routing.md 17.2, 19.4)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from attrs import frozen

from router.config.load import read_text
from router.config.mistakes import error_lines
from router.errors import ConfigError, Mistake
from router.onboarding.convert import Conversion, convert
from router.onboarding.convert_draft import NoteKind, Yaml
from router.onboarding.safe_write import replace_text

CLEAN, REFUSED, UNCLEAN = 0, 1, 2  # exit codes (routing.md 19.4)
_MISSING = "convert needs PyYAML: make setup-convert, or pip install 'nursery-router[convert]'"
_NO_NAME = Path("router.toml")  # what is said of the text where it goes to stdout
_ALWAYS_TOLD = (NoteKind.DROPPED, NoteKind.CHANGED, NoteKind.LOOK)
_CAPABILITIES = Path("~/.coderouter/model-capabilities.yaml")

Tell = Callable[[str], None]


@frozen(kw_only=True)
class Job:
    """One run of the command. Without a `target` the text is written by `show`; `tell` gets the lines for the person."""

    source: Path
    target: Path | None = None
    capabilities: Path | None = None
    is_strict: bool = False
    is_report: bool = False
    is_forced: bool = False
    environ: Mapping[str, str]
    show: Tell
    tell: Tell

    def run(self) -> int:
        """Convert; return the exit code."""
        try:
            self._check_target()
            conversion = self._conversion()
            self._write(conversion.text)
        except ConfigError as error:
            for line in error_lines(error):
                self.tell(line)
            return REFUSED
        for line in self._report(conversion):
            self.tell(line)
        return CLEAN if conversion.is_clean else UNCLEAN

    def _check_target(self) -> None:
        if self.target is None:
            return
        for read in (self.source, self.capabilities):
            if read is not None and self.target.exists() and read.exists() and self.target.samefile(read):
                raise _refusal(self.target, "is the input file: name another file for the TOML")
        if os.path.lexists(self.target) and not self.is_forced:
            raise _refusal(self.target, "already exists: --force replaces it, keeping a backup")

    def _conversion(self) -> Conversion:
        return convert(
            read_yaml_file(self.source),
            rules=None if self.capabilities is None else read_yaml_file(self.capabilities),
            is_strict=self.is_strict,
            target=self.target or _NO_NAME,
            environ=self.environ,
        )

    def _write(self, text: str) -> None:
        if self.target is None:
            self.show(text)
            return
        try:
            backup = replace_text(self.target, text)
        except OSError as error:
            raise _refusal(self.target, f"cannot be written: {error.strerror}") from error
        if backup is not None:
            self.tell(f"kept a backup: {backup}")

    def _report(self, conversion: Conversion) -> Iterator[str]:
        for note in conversion.notes:
            if self.is_report or note.kind in _ALWAYS_TOLD:
                yield f"{note.place}: {note.kind}: {note.message}"
        if self.is_report:
            for warning in conversion.warnings:
                yield f"{self.target or _NO_NAME}:{warning.line}: {warning.path}: warning on reading it: {warning.message}"
        counts = [(kind, sum(note.kind is kind for note in conversion.notes)) for kind in NoteKind]
        told = ", ".join(f"{count} {kind}" for kind, count in counts if count) or "nothing dropped, nothing changed"
        warned = f"; warnings on reading it: {count}" if (count := len(conversion.warnings)) else ""
        hint = " (--report lists them)" if not self.is_report and (conversion.notes or conversion.warnings) else ""
        yield f"converted: {told}{warned}{hint}"
        if self.capabilities is None and (found := _CAPABILITIES.expanduser()).is_file():
            yield f"{found} is not included: --capabilities {_CAPABILITIES} adds its rules"
        if self.target is not None:
            yield f"written: {self.target}; next: nursery-router check --config {self.target}"


def read_yaml_file(path: Path) -> Yaml:
    """Return what a YAML file says. Raises ConfigError where it cannot be read, or where nothing here reads YAML."""
    try:
        from router.onboarding.yaml_source import read_yaml  # noqa: PLC0415 - an extra, and no other command needs it
    except ModuleNotFoundError as error:
        if error.name != "yaml":
            raise
        raise _refusal(path, _MISSING) from error
    return read_yaml(read_text(path), str(path))


def _refusal(path: Path, message: str) -> ConfigError:
    return ConfigError(source=str(path), mistakes=(Mistake(path="", message=message),))
