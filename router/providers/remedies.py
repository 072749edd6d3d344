"""What a refused request may be sent without: the rectified repeats of routing.md 11.2.

At most one per attempt, at the same provider, and no failure of it. What an upstream refused by name (a beta flag, a
field) is left out of its later requests, too, until the configuration is read again (R-35)."""

from __future__ import annotations

import re
from collections.abc import Collection

from attrs import define, field, frozen

from router.errors import FailureReason
from router.wire.error_body import ErrorText
from router.wire.error_words import refusal_reason

REFUSALS = frozenset({400, 422})

# without these the answer would be one to another question: then the next provider is asked instead
_ESSENTIAL = frozenset(
    {
        "model",
        "messages",
        "system",
        "stream",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "stop_sequences",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "response_format",
        "output_config",
        "output_format",
    }
)
_SIGNATURE = re.compile(r"signature.*thinking|thinking.*signature", re.IGNORECASE | re.DOTALL)
_SEALED = "invalid_encrypted_content"  # OpenAI's code for reasoning that another organization's key encrypted
_FIELD = re.compile(
    r"(?:unsupported|unknown|unrecognized|unexpected)"
    r" (?:parameter|field|name|property|argument|request argument|keyword argument)(?:\(s\))?(?: supplied)?:? [`'\"]?(?P<a>\w+)"
    r"|(?<![\w.\]])(?P<b>\w+): extra inputs are not permitted"  # a path with a dot is inside a field
    r"|'extra_forbidden', 'loc': \('body', '(?P<f>\w+)'\)|\bbody -> (?P<g>\w+)\s{1,8}extra inputs are not permitted"  # NIM
    r"|extraneous key \[(?P<c>\w+)\]"
    r"|(?:argument|parameter) not supported[^:]{0,30}: (?P<d>\w+)"
    r"|(?:property|parameter|field)? ?[`'\"](?P<e>\w+)[`'\"] (?:is|are) (?:not supported|unsupported|not permitted)",
    re.IGNORECASE,
)
_SEALED = "invalid_encrypted_content"  # OpenAI, of reasoning that another organisation's key has sealed
_NO_THINKING = re.compile(r"does not support thinking", re.IGNORECASE)  # Ollama, of a model that cannot: it wants no `think`
_ASKED_FOR_USAGE = "stream_options"  # put in here: what is wrong inside it is not the client's either
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_INSTEAD = re.compile(r"use [`'\"](\w+)[`'\"] instead", re.IGNORECASE)


@frozen
class DropThinking:
    """Leave the thinking blocks of earlier turns out: their signatures are not this upstream's."""


@frozen
class DropBetas:
    """Leave these flags out of `anthropic-beta`."""

    flags: frozenset[str]


@frozen
class DropField:
    """Leave a top-level field out of the body."""

    name: str


@frozen
class RenameField:
    """Give a top-level field the name that the upstream asks for."""

    name: str
    new_name: str


Remedy = DropThinking | DropBetas | DropField | RenameField


def find_remedy(status: int, text: ErrorText, *, fields: Collection[str], betas: Collection[str]) -> Remedy | None:
    """Return what to change in a repeat of the refused request, None where nothing the router may change is named.

    `fields` are the top-level keys of the body that was sent, `betas` the flags."""
    if status not in REFUSALS:
        return None
    if _SIGNATURE.search(text.text) or _SEALED in text.words:
        return DropThinking()
    if named := frozenset(flag for flag in betas if flag in text.text):
        return DropBetas(named)
    if "think" in fields and _NO_THINKING.search(text.text):
        return DropField("think")
    if refusal_reason(text) is not FailureReason.UNSUPPORTED_PARAMETER:
        return None
    name = _field_name(text)
    if name is not None and name not in fields:
        name = _HUMP.sub("_", name).lower()  # xAI writes presencePenalty
    if name is None or name not in fields:
        return None
    instead = _INSTEAD.search(text.text)
    if instead is not None and instead[1] not in fields:
        return RenameField(name, instead[1])
    return None if name in _ESSENTIAL else DropField(name)


@define
class RefusedFeatures:
    """What one upstream has refused by name so far. Written by the attempts at its provider, each in one step."""

    betas: set[str] = field(factory=set)
    fields: set[str] = field(factory=set)
    renames: dict[str, str] = field(factory=dict)

    def remember(self, remedy: Remedy) -> tuple[str, ...]:
        """Take note of the remedy; return the names that are new."""
        match remedy:
            case DropBetas(flags):
                new = tuple(sorted(flags - self.betas))
                self.betas |= flags
                return new
            case DropField(name):
                new = () if name in self.fields else (name,)
                self.fields.add(name)
                return new
            case RenameField(name, new_name):
                new = () if self.renames.get(name) == new_name else (name,)
                self.renames[name] = new_name
                return new
            case DropThinking():
                return ()


def _field_name(text: ErrorText) -> str | None:
    """Return the top-level field that an upstream names, None for a path into one."""
    if text.param is not None:
        if text.param.startswith(_ASKED_FOR_USAGE):
            return _ASKED_FOR_USAGE
        return text.param if re.fullmatch(r"\w+", text.param) else None
    found = _FIELD.search(text.text)
    return None if found is None else next(group for group in found.groups() if group is not None)
