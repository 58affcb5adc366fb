"""What tells the items of a list apart."""

from __future__ import annotations

from typing import Any

from pocket_cluster.apiserver.schema.definitions import Field

# The key that may be left out (k8s.io/api, core/v1/types.go: ``+default`` on the ports of containers and Services).
DEFAULTS = {"protocol": "TCP"}


def _zero(field: Field, key: str) -> Any:
    """A key that Go never leaves out has a value in any case."""
    known = field.schema.items.fields.get(key) if field.schema.items else None
    return known.schema.zero if known and known.written_when_empty else None


def item_keys(field: Field, item: dict[str, Any]) -> dict[str, Any]:
    """The keys of an item of a list of type map, by name."""
    keys = {key: item.get(key, DEFAULTS.get(key, _zero(field, key))) for key in sorted(field.map_keys)}
    return {key: value for key, value in keys.items() if value is not None}
