"""What requests are made of, read from the files beside this one."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from pocket_cluster.apiserver import schema

Object = dict[str, Any]
FOLDER = Path(__file__).parent
WORDS: dict[str, Any] = yaml.safe_load((FOLDER / "vocabulary.yaml").read_text())
BASES: list[Object] = yaml.safe_load((FOLDER / "bases.yaml").read_text())


def draw(random: Random, words: str) -> Any:
    """One of the words of a list in ``vocabulary.yaml``, as a copy."""
    return copy.deepcopy(random.choice(WORDS[words]))


@cache
def sensible_values() -> dict[str, list[Any]]:
    """The scalar values that the valid objects have, by the name of the field."""
    found: dict[str, list[Any]] = {}
    for base in BASES:
        _collect(base, "", found)
    return found


def _collect(value: Any, name: str, found: dict[str, list[Any]]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _collect(item, key, found)
    elif isinstance(value, list):
        for item in value:
            _collect(item, name, found)
    else:
        found.setdefault(name, []).append(value)


@cache
def enumerations() -> dict[str, list[str]]:
    """The words that a field may be, by ``Struct.field``, and by ``field`` as some struct has them."""
    file = Path(schema.__file__).with_name("enumerations.json")
    found: dict[str, list[str]] = {}
    for struct, fields in json.loads(file.read_text()).items():
        for name, words in fields.items():
            found[f"{struct.rpartition('.')[2]}.{name}"] = words
            found.setdefault(name, words)
    return found
