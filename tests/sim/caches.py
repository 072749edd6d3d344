"""What a simulated server says when it is asked to forget what it has read (router/providers/cache_flush.py)."""

from __future__ import annotations

from enum import StrEnum

import orjson

SLOTS = 4
_ASKED = ("/props", "/slots/", "/api/generate")


class Cache(StrEnum):
    """Which server it is, as far as its cache goes."""

    NONE = "none"  # neither Ollama nor llama.cpp
    SLOTS = "slots"  # llama.cpp, whose slots can be erased
    BARE = "bare"  # llama.cpp without slot actions
    OLLAMA = "ollama"


def is_asked(target: str) -> bool:
    """Tell whether a request is about the cache."""
    return target.startswith(_ASKED)


def page_of(cache: Cache, target: str) -> tuple[int, bytes]:
    """Return the answer of a server that is well."""
    match cache, target.partition("?")[0].split("/")[1]:
        case Cache.SLOTS | Cache.BARE, "props":
            return 200, orjson.dumps({"total_slots": SLOTS})
        case Cache.SLOTS, "slots":
            return 200, b'{"id_slot":0,"n_erased":44}'
        case Cache.BARE, "slots":
            return 501, b'{"error":{"code":501,"message":"no slots action","type":"not_supported_error"}}'
        case Cache.OLLAMA, "api":
            return 200, b'{"done":true,"done_reason":"unload"}'
        case _:
            return 404, b"{}"
