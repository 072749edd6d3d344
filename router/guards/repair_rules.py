"""What repair may do for one request (wire.md 14.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from attrs import frozen

from router.domain.messages import Tool
from router.guards.repair_tools import ToolTable

STRICT = "strict"
EAGER = "eager"


@frozen(kw_only=True)
class RepairRules:
    """Built once per request. `mode` is strict (tagged forms only), balanced, or eager (no cue and no schema guard)."""

    mode: str
    tools: ToolTable
    parallel: bool = True  # False: the first call only

    @classmethod
    def of(cls, tools: Iterable[Tool], *, mode: str, parallel: bool = True) -> Self:
        """Return the rules for the tools that were declared."""
        return cls(mode=mode, tools=ToolTable.of(tools), parallel=parallel)

    @property
    def is_strict(self) -> bool:
        """Only what is marked as a call may be one."""
        return self.mode == STRICT

    @property
    def is_eager(self) -> bool:
        """The model never talks about tools: whatever looks like a call is one."""
        return self.mode == EAGER
