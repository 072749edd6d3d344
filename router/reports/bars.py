"""A chart out of characters: one column per value, eight steps per row."""

from __future__ import annotations

from collections.abc import Sequence

_STEPS = " ▁▂▃▄▅▆▇█"
_ASCII = " _.:-=+*#"  # for terminals without the blocks
_FULL = len(_STEPS) - 1


def bars(values: Sequence[float], *, width: int, height: int, is_ascii: bool = False) -> list[str]:
    """Return `height` lines of `width` characters, the newest value at the right; what is above 0 is seen, however small."""
    shown = [0.0] * (width - len(values)) + [*values[-width:]]
    top = max(shown, default=0.0)
    steps = _ASCII if is_ascii else _STEPS
    levels = [0 if value <= 0 else max(1, round(value / top * height * _FULL)) for value in shown]
    rows = range(height - 1, -1, -1)
    return ["".join(steps[min(max(level - row * _FULL, 0), _FULL)] for level in levels) for row in rows]
