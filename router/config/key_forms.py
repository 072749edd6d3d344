"""What looks like a key, whoever's it is: the backstop behind the values that a configuration names (supervision.md 19.4).

The one table of it: `Redactor` masks by it in every sink, the doctor finds by it, errors that clients read are held to more
(`wire/errors.py`). Few and anchored, since an id of a request, a hash or the name of a model is no key."""

from __future__ import annotations

import re

from attrs import frozen

from router.config.patterns import Needles

MASK = "***"

# What vendors begin their keys with, before a `-` or a `_`.
STEMS = ("sk", "pk", "rk", "gsk", "xai", "nvapi", "hf", "glpat", "xox[a-z]")

# In a line of JSON an escape may stand before a key, in a URL the code of a character; either ends in a letter or a digit.
_BEFORE = r"(?:(?<![A-Za-z0-9]{width})|(?<=\\[nrtbf]{width})|(?<=\\u[0-9A-Fa-f]{{4}}{width})|(?<=%[0-9A-Fa-f]{{2}}{width}))"
_HAS_DIGIT = r"(?=[A-Za-z_*-]{0,64}[0-9])"  # there are names that begin so: pk_orders_customer_id, hf_hub_download_url


@frozen
class KeyForm:
    """One form of a key. `needle` is RE2's, and is found wherever `form` is: all needles cost one look at the text."""

    needle: str
    form: re.Pattern[str]


def _begins(prefix: str, rest: str, *, with_digit: bool = False) -> KeyForm:
    """Return the form of a key that begins with these letters, which nothing but an escape stands before."""
    before = _BEFORE.format(width=prefix)
    return KeyForm(f"{prefix}{rest}", re.compile(f"{prefix}{before}{_HAS_DIGIT if with_digit else ''}{rest}"))


_KEY_OF_PEM = "-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
_HEADERS_OF_PEM = r"(?:(?:\s|\\[nr])*+(?:Proc-Type|DEK-Info|Comment)[^\n\\\"]*+)*+"
_BODY_OF_PEM = r"(?:[A-Za-z0-9+/=\s]++|\\[\\nrt])*+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
_PARAMETER = r"(?i:(?:x-)?(?:api[_-]?key|key|token|access[_-]?token|auth|secret|password|sig|signature))=[^&\s\"'<>#\\]{4,}"

FORMS: tuple[KeyForm, ...] = (
    _begins("sk-", r"[A-Za-z0-9_*-]{12,}"),
    *(_begins(f"{stem}[-_]", r"[A-Za-z0-9_*-]{12,}", with_digit=True) for stem in ("sk", "pk", "rk", "gsk", "xox[a-z]")),
    *(_begins(prefix, r"[A-Za-z0-9_*-]{12,}") for prefix in ("nvapi-", "glpat-")),
    *(_begins(prefix, r"[A-Za-z0-9*]{16,}") for prefix in ("xai-", "hf_", "gh[pousr]_")),  # a name has a - or _ in it
    _begins("github_pat_", r"[A-Za-z0-9_]{16,}"),
    _begins("AIza", r"[A-Za-z0-9_-]{16,}"),
    _begins("AKIA", r"[A-Z0-9]{12,}"),
    _begins("eyJ", r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),  # a JSON web token
    KeyForm(
        r"(?i:bearer)[ \t]{1,8}[A-Za-z0-9_.~+/=-]{8}",
        re.compile(r"(?i:\bbearer)[ \t]{1,8}(?!(?i:authenti|authori))[A-Za-z0-9_.~+/=-]{8,}"),
    ),
    # an escape is taken whole, or the text's own end would go with it
    KeyForm(_KEY_OF_PEM, re.compile(f"{_KEY_OF_PEM}{_HEADERS_OF_PEM}{_BODY_OF_PEM}")),
    KeyForm(rf"[?&]{_PARAMETER}", re.compile(rf"(?<=[?&]){_PARAMETER}")),
    KeyForm(
        r"://[^\s/@:\"'<>]*:[^\s/@\"'<>]+@",
        re.compile(r"(?<=://)[^\s/@:\"'<>]{0,256}:[^\s/\"'<>]{1,256}(?=@)"),
    ),
)
_NEEDLES = Needles.of(form.needle for form in FORMS)


def without_key_forms(text: str) -> str:
    """Return the text with `***` in the place of what looks like a key. Linear in its length."""
    for index in _NEEDLES.found(text):
        text = FORMS[index].form.sub(MASK, text)
    return text


def holds_key_form(text: str) -> bool:
    """Tell whether something in the text looks like a key."""
    return any(FORMS[index].form.search(text) for index in _NEEDLES.found(text))
