"""Times as people read them: in the zone of `[server].display_timezone`, on terminals only. What goes elsewhere is UTC."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_of(name: object) -> tzinfo:
    """Return a zone by its name, UTC for one that is not known here."""
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def time_of_day(stamp: str, zone: tzinfo) -> str:
    """Return the time of day of a stamp; of what is none, as much as a time takes."""
    try:
        return datetime.fromisoformat(stamp).astimezone(zone).strftime("%H:%M:%S")
    except (ValueError, OverflowError):
        return stamp[:8]


def moment(stamp: str, zone: tzinfo) -> str:
    """Return a stamp to the millisecond with its offset, as `--since` takes it; what is none as it is."""
    try:
        told = datetime.fromisoformat(stamp).astimezone(zone).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        return stamp
    return told.replace("+00:00", "Z")
