"""Tool names and call ids that every upstream takes, stable from turn to turn (wire.md 5, 19.2)."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256

MAX_NAME = 64  # OpenAI's limit for function names and ids; Anthropic takes as much and more

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_MISTRAL = re.compile(r"[A-Za-z0-9]{9}")
_LETTERS = string.ascii_letters + string.digits


def map_tool_names(names: Collection[str]) -> dict[str, str]:
    """Return {client's name: name to send} for the names that cannot be sent as they are; no two names become one.

    The new name is the first 55 characters and 8 hex digits of the name's hash, more digits where that is taken. It
    depends on the request's names only, so the same tools get the same names in every turn."""
    odd = dict.fromkeys(name for name in names if not _PLAIN.fullmatch(name))
    if not odd:
        return {}
    taken = {name for name in names if name not in odd}
    mapped: dict[str, str] = {}
    for name in sorted(odd):
        mapped[name] = _free_name(name, taken)
        taken.add(mapped[name])
    return mapped


def sendable_id(call_id: str) -> str:
    """Return the id itself, or a stable stand-in where it has characters or a length that an upstream refuses."""
    return call_id if _PLAIN.fullmatch(call_id) else "call_" + _digest(call_id)[:24]


def mistral_id(call_id: str) -> str:
    """Return the id itself where it is nine letters and digits, all that Mistral takes, else a stable stand-in of that form.

    53 bits of the id's hash are in it: of a thousand calls no two become one, but for one conversation in 10^10."""
    if _MISTRAL.fullmatch(call_id):
        return call_id
    number = int(_digest(call_id), 16)
    return "".join(_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in range(9))


CALL_IDS: Mapping[str, Callable[[str], str]] = {"any": sendable_id, "mistral": mistral_id}  # by the provider's `call_ids`


def numbered_id(call_id: str, count: int, sendable: Callable[[str], str] = sendable_id) -> str:
    """Return the id for the `count`-th call that carries it: the id, then `-2`, `-3` and so on."""
    return call_id if count == 1 else sendable(f"{call_id}-{count}")


def _free_name(name: str, taken: set[str]) -> str:
    plain = _FOREIGN.sub("_", name)
    digest = _digest(name)
    return next(
        free for digits in range(8, MAX_NAME, 8) if (free := f"{plain[: MAX_NAME - 1 - digits]}_{digest[:digits]}") not in taken
    )


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
