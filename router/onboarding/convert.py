"""CodeRouter's providers.yaml into a router.toml: the same providers, asked in the same order (routing.md 19.3, 19.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from router.config.document import Document, Fault, dotted, tables
from router.config.load import Surroundings, load
from router.config.rules import broken_rules
from router.config.schema import ConfigWarning, RouterConfig
from router.config.structure import structure
from router.config.write import to_toml
from router.errors import ConfigError, Mistake
from router.onboarding.convert_draft import Draft, Keys, Note, NoteKind, Rule, Section, Yaml
from router.onboarding.convert_profile import Members, write_profile
from router.onboarding.convert_provider import is_a_program, write_provider
from router.onboarding.convert_rules import write_auto_router, write_capability_rules
from router.onboarding.convert_settings import GONE, SETTINGS, write_strict, write_ways
from router.onboarding.convert_values import unwritable

_HEAD = ("Converted from a providers.yaml of CodeRouter by `nursery-router convert`.",)
_ORDER = (
    "server",
    "routing",
    "mode_aliases",
    "profile_defaults",
    "providers",
    "profiles",
    "auto_router",
    "capability_rules",
    "probe",
    "audit",
    "request_log",
)
# a value in a complaint: 20 characters or more without a blank, a digit among them
_QUOTED = re.compile(r"'(?=[^' ]*[0-9])[^' ]{20,}'")
_UNCLEAN = (NoteKind.DROPPED, NoteKind.CHANGED)
_TWICE = "is set twice: the last one counts, as it did in CodeRouter"


@frozen(kw_only=True)
class ConversionNote:
    """What became of one key; `place` is `FILE:LINE: path`."""

    kind: NoteKind
    place: str
    message: str


@frozen(kw_only=True)
class Conversion:
    """The TOML text, what became of the keys that are not simply in it, and what its reading warns of."""

    text: str
    notes: tuple[ConversionNote, ...]
    warnings: tuple[ConfigWarning, ...]

    @property
    def is_clean(self) -> bool:
        """Whether everything that the YAML asks for is in the text, and acts as it did."""
        return all(note.kind not in _UNCLEAN for note in self.notes)


def convert(
    yaml: Yaml, *, rules: Yaml | None = None, is_strict: bool = False, target: Path, environ: Mapping[str, str]
) -> Conversion:
    """Return the conversion. Raises ConfigError with every reason why there is none, by their places in the YAML.

    `rules` is a model-capabilities.yaml. The warnings name the TOML `target`; `environ` says which keys are there."""
    draft = Draft()
    _write(draft, yaml.value)
    write_ways(draft)
    if is_strict:
        write_strict(draft)
    _refuse(yaml, draft)
    notes, table = _told(yaml, draft), draft.document
    if rules is not None:
        of_rules = _rules(rules)
        notes, table = (*notes, *_told(rules, of_rules)), table | of_rules.document
    text = to_toml({key: table[key] for key in _ORDER if key in table}, head=_HEAD, remarks=draft.remarks)
    loaded = load(text, path=target, around=Surroundings(environ=_keys_named(table, environ), needs_tokens=False))
    return Conversion(text=text, notes=notes, warnings=loaded.warnings)


def _rules(rules: Yaml) -> Draft:
    draft = Draft()
    write_capability_rules(draft, rules.value)
    _refuse(rules, draft, is_whole=False)
    return draft


def _write(draft: Draft, value: object) -> None:
    if not isinstance(value, dict):
        draft.fault((), "is not a mapping of settings, providers and profiles")
        return
    lists: Mapping[str, Rule] = {
        "providers": _write_providers,
        "profiles": _write_profiles,
        "auto_router": _write_auto_router,
    }
    draft.write(Section(values=value, path=(), to=()), Keys(cls=RouterConfig, special={**SETTINGS, **lists}, gone=GONE))


def _write_providers(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - whatever the file has
    count = 0
    for index, provider in _mappings(draft, section, key, value):
        path = (*section.at(key), index)
        if is_a_program(provider):
            draft.note(NoteKind.DROPPED, path, "runs a program for each request: there is no such kind here")
        else:
            write_provider(draft, Section(values=provider, path=path, to=(key, count)))
            count += 1


def _write_profiles(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    providers = _named(section.values.get("providers"))
    gone = {name for name, provider in providers if is_a_program(provider)}
    members = Members(known={name for name, _ in providers} - gone, without=gone)
    for count, (index, profile) in enumerate(_mappings(draft, section, key, value)):
        write_profile(draft, Section(values=profile, path=(*section.at(key), index), to=(key, count)), members)


def _write_auto_router(draft: Draft, section: Section, key: str, value: Any) -> None:  # noqa: ANN401 - same
    if isinstance(value, dict):
        profiles = [name for name, _ in _named(section.values.get("profiles"))]
        write_auto_router(draft, Section(values=value, path=section.at(key), to=(key,)), profiles)
    else:
        draft.fault(section.at(key), "expected a mapping")


def _mappings(draft: Draft, section: Section, key: str, value: object) -> Iterator[tuple[int, Mapping[object, object]]]:
    """Yield the members of a list that are mappings; what is none is a fault."""
    if not isinstance(value, list):
        draft.fault(section.at(key), "expected a list")
        return
    for index, member in enumerate(value):
        if isinstance(member, dict):
            yield index, member
        else:
            draft.fault((*section.at(key), index), "expected a mapping")


def _named(members: object) -> list[tuple[str, object]]:
    """Return (name, member) of the mappings of a list that have one."""
    found = members if isinstance(members, list) else []
    return [(name, one) for one in found if isinstance(one, dict) and isinstance(name := one.get("name"), str)]


def _refuse(yaml: Yaml, draft: Draft, *, is_whole: bool = True) -> None:
    """Raise ConfigError where the file cannot be converted, with everything that is wrong with it.

    What the file itself breaks is said alone: what comes of it would be said twice. `is_whole`: also the rules between keys."""
    faults = draft.faults or list(_judged(draft, is_whole=is_whole))
    if faults:
        first = {fault.path: fault for fault in reversed(faults)}  # one per place
        mistakes = (
            Mistake(path=dotted(path), message=_masked(fault.message), line=yaml.lines.line_of(path))
            for path, fault in first.items()
        )
        raise ConfigError(source=yaml.name, mistakes=tuple(sorted(mistakes, key=_by_line)))


def _judged(draft: Draft, *, is_whole: bool) -> Iterator[Fault]:
    """Yield what the reader of a configuration says of the document, by places in the YAML."""
    yield from (Fault(draft.origin(path), message) for path, message in unwritable(draft.document, ()))
    judged = structure(draft.document, RouterConfig)
    for fault in (*(judged if isinstance(judged, tuple) else ()), *(broken_rules(draft.document) if is_whole else ())):
        yield evolve(fault, path=draft.origin(fault.path))


def _masked(message: str) -> str:
    """Return a complaint without values that could be keys in the place of something else; their line says which they are."""
    return _QUOTED.sub(lambda found: found.group() if "://" in found.group() else "***", message)


def _by_line(mistake: Mistake) -> tuple[int, str]:
    return mistake.line or 0, mistake.path


def _told(yaml: Yaml, draft: Draft) -> tuple[ConversionNote, ...]:
    repeated = [Note(kind=NoteKind.LOOK, path=path, message=_TWICE) for path in yaml.repeated]
    notes = sorted((*draft.notes, *repeated), key=lambda note: yaml.lines.line_of(note.path))
    return tuple(
        ConversionNote(
            kind=note.kind,
            place=f"{yaml.name}:{yaml.lines.line_of(note.path)}: {dotted(note.path)}",
            message=note.message,
        )
        for note in notes
    )


def _keys_named(table: Document, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that providers name: nothing else of the surroundings has a say in what a file comes to."""
    names = (provider.get("api_key_env") for _, provider in tables(table, "providers"))
    return {name: environ[name] for name in names if isinstance(name, str) and name in environ}
