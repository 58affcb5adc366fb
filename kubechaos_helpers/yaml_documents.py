"""YAML with line numbers: the documents of a text, each with the line of every field in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml


class Document(NamedTuple):
    """One document. ``lines`` gives the line of a field by its path, such as ``spec.template.spec.containers[0]``."""

    content: Any
    lines: Mapping[str, int]


class NotYaml(Exception):
    """What is wrong, and in which line."""

    def __init__(self, problem: str, line: int | None) -> None:
        super().__init__(problem)
        self.problem, self.line = problem, line


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a time stays the text that it was."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents(text: str) -> Iterator[Document]:
    """The documents that are not empty, one after the other; NotYaml at the first that cannot be read."""
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            lines: dict[str, int] = {}
            _note_lines(node, "", lines, set())
            content = _as_json(loader.construct_document(node))
            if content is not None:
                yield Document(content, lines)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise NotYaml(getattr(error, "problem", None) or str(error), mark.line + 1 if mark else None) from None
    finally:
        loader.dispose()


def _as_json(value: Any) -> Any:
    """With keys that are texts, as JSON has them; NotYaml for what JSON cannot say."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else json.dumps(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise NotYaml(f"Kubernetes has no values of the type {type(value).__name__}", None)


def _note_lines(node: Any, path: str, lines: dict[str, int], seen: set[int]) -> None:
    if id(node) in seen:  # an alias: its anchor has been noted
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        _note_fields(node, path, lines, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[f"{path}[{index}]"] = value.start_mark.line + 1
            _note_lines(value, f"{path}[{index}]", lines, seen)


def _note_fields(node: yaml.MappingNode, path: str, lines: dict[str, int], seen: set[int]) -> None:
    names: set[str] = set()
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in names:
            raise NotYaml(f'the key "{name}" stands there a second time', line)
        names.add(name)
        inner = f"{path}.{name}" if path else name
        lines[inner] = line
        _note_lines(value, inner, lines, seen)


def line_of(lines: Mapping[str, int], path: str) -> int | None:
    """The line of a field, or of the nearest one around it when the field itself is missing.

    Paths in decoding errors have no indices (``spec.containers.ports``): then the first element's line is meant.
    """
    plain = {_without_indices(known): line for known, line in reversed(list(lines.items()))}
    while path:
        found = lines.get(path) or plain.get(path)
        if found:
            return found
        path = path[: max(path.rfind("."), path.rfind("["))] if "." in path or "[" in path else ""
    return None


def _without_indices(path: str) -> str:
    return ".".join(part.partition("[")[0] for part in path.split("."))
