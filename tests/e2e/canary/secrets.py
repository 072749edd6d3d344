"""The canaries: one secret of each kind that a configuration has, and the search for them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from hashlib import sha256

PIECE_CHARS = 10  # of either end: what is left of a secret that was cut off is found, too


def canary(what: str) -> str:
    """Return the secret of that name, which looks like nothing else."""
    return f"sk-{sha256(what.encode()).hexdigest()[:32]}"


KEY, POOL_1, POOL_2, FILE = (canary(what) for what in ("key", "pool 1", "pool 2", "credential file"))
HEADER, INLINE, QUERY = (canary(what) for what in ("header by name", "header in the file", "query in the file"))
CLIENT, ADMIN, METRICS, COLLECTOR = (canary(what) for what in ("client token", "admin token", "metrics token", "collector"))

ENVIRONMENT = {
    "KEY": KEY,
    "POOL_1": POOL_1,
    "POOL_2": POOL_2,
    "HEADER": HEADER,
    "CLIENT": CLIENT,
    "ADMIN": ADMIN,
    "METRICS": METRICS,
    "COLLECTOR": f"authorization=Bearer%20{COLLECTOR}",
}
# In the form of a key, and named by no configuration: what an upstream, or a client, says of somebody else's.
STRAYS = tuple(
    f"{prefix}{sha256(prefix.encode()).hexdigest()[:40]}"
    for prefix in ("sk-ant-api03-", "sk-proj-", "gsk_", "nvapi-", "xai-", "hf_", "ghp_", "github_pat_", "glpat-", "AIza")
)
ALL = (KEY, POOL_1, POOL_2, FILE, HEADER, INLINE, QUERY, CLIENT, ADMIN, METRICS, COLLECTOR)


def leaks(content: bytes, canaries: Iterable[str] = ALL) -> list[str]:
    """Return the canaries of which a content shows either end, as it is or in Base64."""
    return [value for value in canaries if any(form in content for form in _forms(value))]


def leaks_of(sinks: Mapping[str, bytes], canaries: Iterable[str] = ALL) -> dict[str, list[str]]:
    """Return what each sink shows, without those that show nothing."""
    return {name: found for name, content in sinks.items() if (found := leaks(content, canaries))}


def _forms(value: str) -> set[bytes]:
    secret = value.removeprefix("sk-").encode()
    encoded = {base64.b64encode(b" " * shift + value.encode())[4:-4] for shift in range(3)}
    return {secret[:PIECE_CHARS], secret[-PIECE_CHARS:], *encoded}
