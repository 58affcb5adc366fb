"""Reading manifests: from a file or a text to objects, or to the sentence that says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubechaos_helpers.api import Refused
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.yaml_documents import Document, NotYaml, documents, line_of

Object = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One object of a manifest, and where each of its fields stands."""

    obj: Object
    where: str
    lines: Mapping[str, int]

    @property
    def name(self) -> str:
        return str(self.obj["metadata"]["name"])

    def place(self, *paths: str) -> str:
        """The first of these fields that is in the manifest (or what surrounds it), as ``line 12 of FILE``."""
        line = next(filter(None, (line_of(self.lines, path) for path in paths)), self.lines.get("kind"))
        return f"line {line} of {self.where}"


@dataclass
class Manifest:
    """What a manifest holds up to its first document that cannot be read; ``trouble`` says what is wrong there."""

    entries: list[Entry] = field(default_factory=list)
    trouble: str = ""


def load(source: Path | str) -> list[Object]:
    """The objects of a manifest. A text with a line break is YAML itself, anything else the path of a file.

    Raises CourseError for a file that is missing, not YAML, or not Kubernetes.
    """
    manifest = read(source)
    if manifest.trouble:
        raise CourseError(manifest.trouble)
    return [entry.obj for entry in manifest.entries]


def identity(obj: Object) -> tuple[str, str]:
    """(kind, name) of an object."""
    return obj["kind"], obj["metadata"]["name"]


def read(source: Path | str) -> Manifest:
    """As far as it can be read, which is what ``kubectl apply`` acts on. CourseError for a missing or empty file."""
    is_text = isinstance(source, str) and "\n" in source
    where = "this text" if is_text else short(source)
    text = str(source) if is_text else _read_file(Path(source))
    manifest = Manifest()
    try:
        for document in documents(text):
            manifest.trouble = _trouble(document, where)
            if manifest.trouble:
                return manifest
            manifest.entries.append(Entry(document.content, where, document.lines))
    except NotYaml as error:
        manifest.trouble = _yaml_sentence(where, error)
    if not manifest.entries and not manifest.trouble:
        raise CourseError(f"There is nothing in {where} to apply: it is empty.")
    return manifest


def short(path: str | Path) -> str:
    """A path as a person in the course's folder would type it."""
    text = str(path)
    for name in ("/my/", "/manifests/", "/images/"):
        _, found, rest = text.rpartition(name)
        if found:
            return name.strip("/") + "/" + rest
    return text


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        folder = next(each for each in path.absolute().parents if each.exists())
        near = ", ".join(sorted(each.name for each in folder.glob("*.y*ml")))
        there = f" In {short(folder)} there are: {near}." if near else ""
        raise CourseError(f"There is no manifest {short(path)}.{there} Check the name and try again.") from None
    except UnicodeDecodeError:
        raise CourseError(f"{short(path)} is not text, so it is no manifest. Check the name.") from None
    except OSError as error:
        raise CourseError(f"{short(path)} cannot be read: {error.strerror}. Check the name.") from None


def _yaml_sentence(where: str, error: NotYaml) -> str:
    place = f"in line {error.line} of {where}" if error.line else f"in {where}"
    return (
        f"There is a mistake in the YAML {place}: {error.problem}. Look at that line and the one above it: at the"
        " indentation, the colons, and at brackets and quotes that are not closed."
    )


def _trouble(document: Document, where: str) -> str:
    """Why a document is no Kubernetes object; ``""`` when it is one."""
    content, line = document.content, min(document.lines.values(), default=1)
    known = content if isinstance(content, dict) else {}
    missing = [name for name in ("apiVersion", "kind") if not isinstance(known.get(name), str) or not known[name]]
    if missing:
        return (
            f"What begins in line {line} of {where} is not a Kubernetes object: it has no {' and no '.join(missing)}."
            " A Deployment begins with the lines `apiVersion: apps/v1` and `kind: Deployment`."
        )
    metadata = known.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        return (
            f"The {known['kind']} that begins in line {line} of {where} has no name: give it `metadata:` and,"
            " indented below that, `name:` with a text."
        )
    return ""


# --- what the cluster says about an object

# Words in the server's answer, and the learner's next step.
ADVICE = {
    "field is immutable": "A selector cannot be changed: delete the Deployment first, or give it a new name.",
    "does not match template": "Give spec.selector.matchLabels and spec.template.metadata.labels the same labels.",
    "unknown field": "Check the spelling and the indentation of that field.",
    "greater than or equal to 0": "Write a whole number from 0 up.",
    "of type int": "Write a whole number there, such as 3, without quotes.",
    "cannot unmarshal": "Write a value of the type that it names there.",
    "is being terminated": "The namespace is being deleted: wait until it is gone, then run connect() again.",
    "forbidden: User": "You have no right to do that there: ask the namespace's administrator for the role edit.",
    "exceeded quota": "The namespace's ResourceQuota is used up: delete what you no longer need, or ask for more.",
    "already allocated": "Leave nodePort out, and the cluster picks a free one.",
    "Required value": "Add that field.",
    "Unsupported value": "Write one of the values that it names.",
}
_UNKNOWN_FIELD = re.compile(r'unknown field "([^"]+)"')
_WRONG_TYPE = re.compile(r"Go struct field \w+\.(\S+) of type")


def refusal_sentence(entry: Entry, refusal: Refused) -> str:
    """What the server said about an object, where in the manifest that is, and what to do."""
    paths = [str(cause.get("field", "")) for cause in refusal.causes]
    paths += _UNKNOWN_FIELD.findall(refusal.message) + _WRONG_TYPE.findall(refusal.message)
    step = next((step for words, step in ADVICE.items() if words in refusal.message), "Correct it and apply it again.")
    what, why = f"{entry.obj['kind']} {entry.name}", refusal.message.rstrip(".")
    return f"{what} was refused, see {entry.place(*paths)}: {why}. {step}"
