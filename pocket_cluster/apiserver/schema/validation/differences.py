"""The difference of two pod specs as the real API shows it: a unified diff of JSON (apimachinery, pkg/util/diff)."""

from __future__ import annotations

import difflib
import json

from pocket_cluster.api.objects import Object
from pocket_cluster.apiserver.schema.field_errors import escape_html
from pocket_cluster.apiserver.schema.validation.go_structs import as_go_prints


def pod_spec_difference(old: Object, new: Object) -> str:
    """Changed lines with three lines around them."""
    shown = difflib.unified_diff(_lines(old), _lines(new), lineterm="", n=3)
    # The first two lines would name files.
    return "\n".join([*list(shown)[2:], ""])


def _lines(spec: Object) -> list[str]:
    text = json.dumps(as_go_prints("PodSpec", spec), indent=1, ensure_ascii=False)
    return escape_html(text).splitlines()
