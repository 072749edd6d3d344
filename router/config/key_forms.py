"""What looks like a key, whoever's it is: the backstop behind the values that a configuration names (supervision.md 19.4).

Few and anchored: a hash or an id of a tool call is no key, and a recording without them would be worth nothing."""

from __future__ import annotations

import re

from router.config.redact import MASK

_PREFIXES = ("sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "gsk_", "xai-", "hf_", "xoxb-", "xoxp-", "glpat-")
_KEY_OF_PEM = "[A-Z ]{0,40}PRIVATE KEY-----"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (  # what the lower-case text must hold, and what is then looked for
    *((prefix, re.compile(rf"(?<![A-Za-z0-9]){prefix}[\w*-]{{12,}}")) for prefix in _PREFIXES),
    ("gh", re.compile(r"(?<![A-Za-z0-9])(?:gh[a-z]_|github_pat_)\w{16,}")),
    ("aiza", re.compile(r"(?<![A-Za-z0-9])AIza[\w-]{16,}")),
    ("akia", re.compile(r"(?<![A-Za-z0-9])AKIA[A-Z0-9]{12,}")),
    ("eyj", re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")),
    ("bearer", re.compile(r"(?i:\bbearer)[ \t]{1,8}[\w.~+/=-]{8,}")),
    ("private key", re.compile(rf"-----BEGIN {_KEY_OF_PEM}[A-Za-z0-9+/=\s\\]*(?:-----END {_KEY_OF_PEM})?")),
    (
        "=",
        re.compile(
            r"(?i)(?<=[?&])(?:x-)?(?:api[_-]?key|key|token|access[_-]?token|auth|secret|password|sig|signature)=[^&\s\"'<>#]{4,}"
        ),
    ),
    ("@", re.compile(r"(?<=://)[^\s/@:\"'<>]{0,256}:[^\s/@\"'<>]{1,256}(?=@)")),
)


def without_key_forms(text: str) -> str:
    """Return the text with `***` in the place of what looks like a key. Linear in its length."""
    lowered = text.lower()
    for hint, form in _FORMS:
        if hint in lowered:
            text = form.sub(MASK, text)
    return text
