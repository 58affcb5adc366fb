"""Spoiling a valid object; all randomness comes from a generator that is given, so that a seed always spoils alike."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from pocket_cluster.apiserver.schema import Schema

from .vocabulary import Object, draw, enumerations, sensible_values

# Fields whose meaning is the server's own, or that start a real cluster's controllers working.
NEVER_ADDED = {"managedFields", "selfLink", "ownerReferences", "finalizers", "generateName", "namespace", "nodeName"}
DEEPEST = 3


class Node(NamedTuple):
    """One value inside an object: where it is, and what it should be."""

    path: tuple[str | int, ...]
    schema: Schema | None
    value: Any


def nodes(schema: Schema | None, value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Node]:
    """Every value below and including this one."""
    yield Node(path, schema, value)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from nodes(_schema_of(schema, key), item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from nodes(schema.items if schema else None, item, (*path, index))


def _schema_of(schema: Schema | None, key: str) -> Schema | None:
    if schema is None or schema.kind != "struct":
        return schema and schema.items
    return schema.fields[key].schema if key in schema.fields else None


class Spoiler:
    """Changes one object of a type, thing by thing."""

    def __init__(self, random: Random, schema: Schema, obj: Object) -> None:
        self._random, self._schema, self._object = random, schema, obj

    def node(self, fits: Callable[[Node], Any] = lambda node: True) -> Node | None:
        """One that fits. Deep things are many, so first a depth is drawn."""
        found = [
            node for node in nodes(self._schema, self._object) if node.path[:1] not in ((), ("kind",), ("apiVersion",))
        ]
        found = [node for node in found if fits(node)]
        depths = sorted({len(node.path) for node in found})
        if not depths:
            return None
        depth = self._random.choice(depths)
        return self._random.choice([node for node in found if len(node.path) == depth])

    def put(self, node: Node, value: Any) -> None:
        self._parent(node)[node.path[-1]] = value

    def _parent(self, node: Node) -> Any:
        parent: Any = self._object
        for part in node.path[:-1]:
            parent = parent[part]
        return parent

    # --- the changes

    def remove(self) -> None:
        if node := self.node():
            del self._parent(node)[node.path[-1]]

    def nullify(self) -> None:
        if node := self.node():
            self.put(node, None)

    def retype(self) -> None:
        if node := self.node():
            self.put(node, draw(self._random, "some_types"))

    def revalue(self) -> None:
        node = self.node(lambda node: node.schema and not isinstance(node.value, dict | list))
        if node and node.schema:
            names = [part for part in node.path if isinstance(part, str)]
            self.put(node, Inventor(self._random).value(node.schema, names[-1]))

    def repeat(self) -> None:
        if node := self.node(lambda node: isinstance(node.value, list) and node.value):
            node.value.append(copy.deepcopy(self._random.choice(node.value)))

    def add_field(self) -> None:
        node = self.node(lambda node: isinstance(node.value, dict) and node.schema and node.schema.fields)
        if node and node.schema:
            missing = [name for name in node.schema.fields if name not in node.value and name not in NEVER_ADDED]
            if missing:
                name = self._random.choice(missing)
                node.value[name] = Inventor(self._random).value(node.schema.fields[name].schema, name, node.schema.name)

    def add_unknown_field(self) -> None:
        if node := self.node(lambda node: isinstance(node.value, dict)):
            names = ["nosuch", *(key.capitalize() for key in node.value), *(key.upper() for key in node.value)]
            node.value[self._random.choice(names)] = draw(self._random, "some_types")

    def rename_key(self) -> None:
        node = self.node(
            lambda node: isinstance(node.value, dict) and node.value and node.schema and node.schema.kind == "map"
        )
        if node:
            key = self._random.choice(list(node.value))
            node.value[draw(self._random, "keys")] = node.value.pop(key)


CHANGES: dict[Callable[[Spoiler], None], int] = {
    Spoiler.remove: 14,
    Spoiler.nullify: 6,
    Spoiler.retype: 12,
    Spoiler.revalue: 30,
    Spoiler.repeat: 8,
    Spoiler.add_field: 22,
    Spoiler.add_unknown_field: 5,
    Spoiler.rename_key: 5,
}


def spoil(random: Random, schema: Schema, obj: Object) -> Object:
    """A copy with one to three things changed."""
    spoilt = copy.deepcopy(obj)
    for change in random.choices(list(CHANGES), list(CHANGES.values()), k=random.choices((1, 2, 3), (8, 2, 1))[0]):
        change(Spoiler(random, schema, spoilt))
    return spoilt


class Inventor:
    """Invents values of a type: now and then a sensible one, else one at a border or beyond."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def value(self, schema: Schema, name: str, struct: str = "", depth: int = 0) -> Any:
        match schema.kind:
            case "struct":
                return self._struct(schema, depth)
            case "list":
                assert schema.items is not None
                count = self._random.choice((0, 1, 1, 2)) if depth < DEEPEST else 0
                return [self.value(schema.items, name, struct, depth + 1) for _ in range(count)]
            case "map":
                assert schema.items is not None
                return {draw(self._random, "keys"): self.value(schema.items, name, struct, depth + 1)}
        return self._scalar(schema.kind, name, struct)

    def _struct(self, schema: Schema, depth: int) -> Object:
        names = [name for name in schema.fields if name not in NEVER_ADDED] if depth < DEEPEST else []
        chosen = self._random.sample(names, min(len(names), self._random.choice((0, 1, 1, 2, 3))))
        return {name: self.value(schema.fields[name].schema, name, schema.name, depth + 1) for name in chosen}

    def _scalar(self, kind: str, name: str, struct: str) -> Any:
        words = enumerations().get(f"{struct}.{name}") or enumerations().get(name)
        if words and kind == "string" and self._random.random() < 0.7:
            return self._random.choice(words)
        if name in sensible_values() and self._random.random() < 0.4:
            return self._random.choice(sensible_values()[name])
        match kind:
            case "int32" | "int64":
                return draw(self._random, "numbers")
            case "bool":
                return self._random.random() < 0.5
            case "int-or-string":
                return draw(self._random, self._random.choice(("numbers", "words")))
            case "any":
                return draw(self._random, "some_types")
        return draw(self._random, "words")
