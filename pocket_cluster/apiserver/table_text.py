"""How tables word ages, lists and selectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pocket_cluster.api.objects import parse_time

SHOWN = 3


def age(moment: str | None, now: datetime) -> str:
    """How long ago a time was, e.g. ``119s``, ``2m1s``, ``5d``; ``<unknown>`` without one."""
    return human_duration((now - parse_time(moment)).total_seconds()) if moment else "<unknown>"


def human_duration(seconds: float) -> str:
    """A duration with two digits of precision or so (apimachinery, pkg/util/duration, HumanDuration)."""
    if seconds < -1:
        return "<invalid>"
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m" + (f"{whole % 60}s" if whole % 60 else "")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + (f"{minutes % 60}m" if minutes % 60 else "")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d" + (f"{hours % 24}h" if hours % 24 else "")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    years = days // 365
    if hours < 24 * 365 * 8:
        return f"{years}y" + (f"{days % 365}d" if days % 365 else "")
    return f"{years}y"


def listed(items: Sequence[str], empty: str) -> str:
    """The first three, and how many more there are."""
    if not items:
        return empty
    text = ",".join(items[:SHOWN])
    return text + (f" + {len(items) - SHOWN} more..." if len(items) > SHOWN else "")


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A label selector as kubectl's ``-l`` takes it; ``<none>`` when it is empty."""
    if not selector:
        return "<none>"
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    parts += [(each["key"], _expression(each)) for each in selector.get("matchExpressions") or []]
    return ",".join(text for _, text in sorted(parts)) or "<none>"


def _expression(expression: Mapping[str, Any]) -> str:
    key, values = expression["key"], ",".join(sorted(expression.get("values") or []))
    texts: dict[str, str] = {
        "In": f"{key} in ({values})",
        "NotIn": f"{key} notin ({values})",
        "Exists": key,
        "DoesNotExist": f"!{key}",
    }
    return texts[expression["operator"]]
