"""The parts of requests that are no objects: options, selectors, forms of answers, requests that do not fit."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from .vocabulary import Object, draw

VERSIONS = ("0", "$rv", "1000000000", "x", "-1", "")
DRY = {"dryRun": "All"}


def delete_options(random: Random) -> tuple[Object, Any]:
    """The query and the body of a deletion."""
    query = draw(random, "delete_queries") if random.random() < 0.3 else {}
    return query, draw(random, "delete_bodies") if random.random() < 0.8 else None


def selectors(random: Random, name: str) -> Object:
    """Selectors of some of the objects that have the label ``case``."""
    query = {"labelSelector": f"case={name}"}
    if random.random() < 0.5:
        query["labelSelector"] += f",{draw(random, 'labels')}"
    if random.random() < 0.5:
        query["fieldSelector"] = draw(random, "fields").replace("{name}", name)
    return query


def list_query(random: Random, name: str) -> tuple[Object, Object]:
    """The query and the headers of a list of the objects of a case."""
    query = selectors(random, name)
    if random.random() < 0.4:
        query["limit"] = random.choice(("1", "2", "3", "100", "0", "-1", "x", "1.5", ""))
    if random.random() < 0.3:
        query["resourceVersion"] = random.choice(VERSIONS)
    if random.random() < 0.3:
        query["resourceVersionMatch"] = random.choice(("Exact", "NotOlderThan", "Nosuch", ""))
    if random.random() < 0.1:
        query |= draw(random, "list_queries")
    headers = accept(random)
    if headers and random.random() < 0.3:
        query["includeObject"] = random.choice(("None", "Metadata", "Object", "Nosuch"))
    return query, headers


def accept(random: Random) -> Object:
    return {"Accept": draw(random, "forms")} if random.random() < 0.5 else {}


def get_query(random: Random) -> Object:
    return {"resourceVersion": random.choice(VERSIONS)} if random.random() < 0.4 else {}


def misfit(random: Random, obj: Object, path: str, collection: str) -> tuple[str, str, str | None, str]:
    """The method, path, body and content type of a request that mostly cannot be answered. To be sent as a dry run."""
    make = random.choices((_bad_body, _bad_type, _bad_ending, _bad_method, _bad_path), (40, 15, 20, 10, 15))[0]
    return make(random, json.dumps(obj), path, collection)


Misfit = tuple[str, str, str | None, str]
JSON = "application/json"


def _bad_body(random: Random, text: str, path: str, collection: str) -> Misfit:
    method, where = random.choice((("POST", collection), ("POST", collection), ("PUT", path), ("PATCH", path)))
    patches = ("merge-patch+json", "json-patch+json", "apply-patch+yaml", "strategic-merge-patch+json")
    plain = "application/yaml" if random.random() < 0.2 else JSON
    return (
        method,
        where,
        draw(random, "bodies"),
        f"application/{random.choice(patches)}" if method == "PATCH" else plain,
    )


def _bad_type(random: Random, text: str, path: str, collection: str) -> Misfit:
    method, where = random.choice((("POST", collection), ("PUT", path), ("PATCH", path)))
    return method, where, text, draw(random, "content_types")


def _bad_ending(random: Random, text: str, path: str, collection: str) -> Misfit:
    method, where = draw(random, "methods"), random.choice((path, collection)) + draw(random, "endings")
    return method, where, text if method in ("POST", "PUT", "PATCH") else None, JSON


def _bad_method(random: Random, text: str, path: str, collection: str) -> Misfit:
    return draw(random, "methods"), random.choice((path, collection)), text, JSON


def _bad_path(random: Random, text: str, path: str, collection: str) -> Misfit:
    method = random.choice(("GET", "GET", "POST", "DELETE", "PUT"))
    return method, draw(random, "paths"), text if method in ("POST", "PUT") else None, JSON
