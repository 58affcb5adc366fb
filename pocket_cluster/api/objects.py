"""Pure functions on Kubernetes objects, which are plain dictionaries as the API serves them."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pocket_cluster.api.resources import Resource

Object = dict[str, Any]

# Letters and digits that cannot spell a word by chance (apimachinery, pkg/util/rand).
SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return obj.get("metadata") or {}


def name(obj: Mapping[str, Any]) -> str:
    return str(metadata(obj).get("name", ""))


def namespace(obj: Mapping[str, Any]) -> str:
    """The object's namespace, or ``""`` for what belongs to the whole cluster."""
    return str(metadata(obj).get("namespace", ""))


def key(obj: Mapping[str, Any]) -> str:
    """``namespace/name``, or the name alone for what belongs to the whole cluster."""
    return join_key(namespace(obj), name(obj))


def join_key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def split_key(key: str) -> tuple[str, str]:
    """``("namespace", "name")`` of a key; the namespace is ``""`` for what belongs to the whole cluster."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


def uid(obj: Mapping[str, Any]) -> str:
    return str(metadata(obj).get("uid", ""))


def resource_version(obj: Mapping[str, Any]) -> str:
    return str(metadata(obj).get("resourceVersion", ""))


def labels(obj: Mapping[str, Any]) -> dict[str, str]:
    return metadata(obj).get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> dict[str, str]:
    return metadata(obj).get("annotations") or {}


def is_being_deleted(obj: Mapping[str, Any]) -> bool:
    return bool(metadata(obj).get("deletionTimestamp"))


def controller_of(obj: Mapping[str, Any]) -> Object | None:
    """The owner reference with ``controller: true``, if there is one."""
    for reference in metadata(obj).get("ownerReferences") or []:
        if reference.get("controller"):
            return dict(reference)
    return None


def owner_reference(resource: Resource, owner: Mapping[str, Any], controller: bool = True) -> Object:
    """What a child's ``metadata.ownerReferences`` says of its owner."""
    reference: Object = {
        "apiVersion": resource.group_version,
        "kind": resource.kind,
        "name": name(owner),
        "uid": uid(owner),
    }
    if controller:
        reference |= {"controller": True, "blockOwnerDeletion": True}
    return reference


def condition(obj: Mapping[str, Any], kind: str) -> Object | None:
    """The condition of that ``type`` in the object's status, if there is one."""
    for found in (obj.get("status") or {}).get("conditions") or []:
        if found.get("type") == kind:
            return dict(found)
    return None


def set_condition(conditions: list[Object], new: Object) -> list[Object]:
    """The conditions with ``new`` in place of the one of its type; an unchanged status keeps its transition time."""
    result, found = [], False
    for old in conditions:
        if old.get("type") != new.get("type"):
            result.append(old)
            continue
        found = True
        kept = {"lastTransitionTime": old["lastTransitionTime"]} if _same_status(old, new) else {}
        result.append({**new, **kept})
    return result if found else [*result, new]


def _same_status(old: Object, new: Object) -> bool:
    return old.get("status") == new.get("status") and "lastTransitionTime" in old


def pod_is_ready(pod: Mapping[str, Any]) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready.get("status") == "True"


def pod_is_active(pod: Mapping[str, Any]) -> bool:
    """Neither finished nor being deleted (pkg/controller/controller_utils.go, IsPodActive)."""
    finished = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not finished and not is_being_deleted(pod)


def time_text(moment: datetime) -> str:
    """A moment in UTC as the API writes times: whole seconds."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def micro_time_text(moment: datetime) -> str:
    """A moment in UTC as the API writes a MicroTime."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def now() -> str:
    """This moment as the API writes times: UTC, whole seconds."""
    return time_text(datetime.now(UTC))


def now_micro() -> str:
    """This moment as the API writes a MicroTime."""
    return micro_time_text(datetime.now(UTC))


def parse_time(text: str) -> datetime:
    """The moment that an RFC 3339 text names, with its time zone."""
    return datetime.fromisoformat(text)


def safe_hash(value: Any) -> str:
    """Ten letters and digits that stay the same for the same JSON value, as in a pod-template-hash.

    As Kubernetes does, the decimal digits of a 32-bit hash are written in the safe alphabet (SafeEncodeString).
    """
    digest = hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).digest()
    number = 10**9 + int.from_bytes(digest[:8], "big") % (2**32 - 10**9)
    return "".join(SAFE_ALPHABET[ord(digit) % len(SAFE_ALPHABET)] for digit in str(number))


def random_suffix(length: int = 5) -> str:
    """What the API appends to a generateName."""
    return "".join(secrets.choice(SAFE_ALPHABET) for _ in range(length))
