"""What is wrong with one field of an object, worded as the real API words it.

Names, reasons and texts are those of apimachinery, pkg/util/validation/field/errors.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# The reason of a Status cause, and the words that a message begins with.
TITLES = {
    "FieldValueNotFound": "Not found",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "InternalError": "Internal error",
}
ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
# The bad value of an error that shows none (field.OmitValueType).
NO_VALUE = object()
WITHOUT_VALUE = {"FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong", "InternalError"}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule: ``type`` is the reason of its Status cause, ``field`` a path like ``spec.ports[0].port``."""

    type: str
    field: str
    detail: str = ""
    bad_value: Any = ""

    @property
    def message(self) -> str:
        """What follows the field's path, e.g. ``Invalid value: -1: must be greater than or equal to 0``."""
        text = TITLES[self.type]
        if self.type not in WITHOUT_VALUE and self.bad_value is not NO_VALUE:
            text += f": {go_value(self.bad_value)}"
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def cause(self) -> dict[str, str]:
        """The entry for ``details.causes`` of a Status."""
        return {"reason": self.type, "message": self.message, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


Errors = list[FieldError]


def required(path: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", path, detail)


def invalid(path: str, value: Any, detail: str = "") -> FieldError:
    return FieldError("FieldValueInvalid", path, detail, value)


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", path, "", value)


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", path, detail)


def not_found(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", path, "", value)


def not_supported(path: str, value: Any, supported: Sequence[str]) -> FieldError:
    """``supported`` is named in the order given; the real API sorts where it starts from a set."""
    detail = "supported values: " + ", ".join(go_string(each) for each in supported) if supported else ""
    return FieldError("FieldValueNotSupported", path, detail, value)


def too_long(path: str, maximum: int, unit: str = "byte") -> FieldError:
    return FieldError("FieldValueTooLong", path, f"may not be more than {maximum} {unit}{'s' if maximum != 1 else ''}")


def too_many(path: str, count: int, maximum: int) -> FieldError:
    detail = f"must have at most {maximum} item{'s' if maximum != 1 else ''}"
    return FieldError("FieldValueTooMany", path, detail, count)


def invalid_all(path: str, value: Any, details: Iterable[str]) -> Errors:
    """One error for each sentence that a check of a format returned."""
    return [invalid(path, value, detail) for detail in details]


def aggregate(errors: Iterable[FieldError]) -> str:
    """All errors in one line, each once: what a Status message ends with (apimachinery, pkg/util/errors)."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def go_string(text: str) -> str:
    """The text quoted as Go's ``%q`` does."""
    return '"' + "".join(ESCAPES.get(letter) or _printable(letter) for letter in text) + '"'


def _printable(letter: str) -> str:
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_value(value: Any) -> str:
    if isinstance(value, str):
        return go_string(value)
    return escape_html(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def escape_html(text: str) -> str:
    """JSON text with the escapes that Go adds."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
