"""YAML with line numbers: the documents of a text, each with the line of every field in it."""

from __future__ import annotations

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


def documents(text: str) -> Iterator[Document]:
    """The documents that are not empty, one after the other; NotYaml at the first that cannot be read."""
    from pocket_cluster import yaml_values

    try:
        loader = yaml_values.loader(yaml.SafeLoader)(text)
        while loader.check_node():
            node = loader.get_node()
            content = yaml_values.value_of(node, text)
            lines: dict[str, int] = {}
            _note_lines(node, "", lines, set())
            if content is not None:
                yield Document(content, lines)
    except yaml_values.Misread as error:
        raise NotYaml(error.problem.removeprefix("json: "), error.mark.line + 1 if error.mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYaml(f"the character with the number {error.character} may not stand there", line) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise NotYaml(getattr(error, "problem", None) or str(error), mark.line + 1 if mark else None) from None
    except RecursionError:
        raise NotYaml("too many brackets stand in one another", None) from None


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
