"""Paths of files inside volumes, and their modes."""

from __future__ import annotations

from pocket_cluster.apiserver.schema.field_errors import Errors, invalid

MODE = "must be a number between 0 and 0777 (octal), both inclusive"


def no_backsteps(target: str, path: str) -> Errors:
    return [invalid(path, target, "must not contain '..'")] if ".." in target.split("/") else []


def descending_path(target: str, path: str) -> Errors:
    errors = [invalid(path, target, "must be a relative path")] if target.startswith("/") else []
    return errors + no_backsteps(target, path)


def non_reserved_path(target: str, path: str) -> Errors:
    """A descending path that does not begin with ``..``: such names are the kubelet's own."""
    errors = descending_path(target, path)
    if target.startswith("..") and not errors:
        errors.append(invalid(path, target, "must not start with '..'"))
    return errors


def file_mode(mode: int | None, path: str) -> Errors:
    return [] if mode is None or 0 <= mode <= 0o777 else [invalid(path, mode, MODE)]
