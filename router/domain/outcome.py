"""How one attempt ended, in one value."""

from __future__ import annotations

from attrs import frozen

from router.errors import FailureReason


@frozen(kw_only=True)
class Attempt:
    """One try at one provider.

    `reason` is None for an answer, `message` the upstream's own words; `committed`: the client got something of it.
    `absent`: a server of this machine that has not been there since the start."""

    provider: str
    reason: FailureReason | None = None
    message: str = ""
    committed: bool = False
    absent: bool = False
