"""Sending cases to the cluster of a kubeconfig; knows nothing of what should come back."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

from pocket_cluster.apiserver.schema import parse_body

from .cases import Case, Step

Object = dict[str, Any]
AGENT = {"User-Agent": "fuzz/1"}
LONGEST_ANSWER = 10.0  # seconds
LONGEST_WAIT = 120.0  # a real cluster takes half a minute to empty a namespace
REMEMBERED = (("uid", "uid"), ("rv", "resourceVersion"), ("continue", "continue"))


class Cluster:
    """An HTTPS connection with the kubeconfig's credentials: a token or a client certificate."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        if "client-certificate-data" in user:
            _load_certificate(context, user)
        self._headers = AGENT | ({"Authorization": f"Bearer {user['token']}"} if "token" in user else {})
        self._connection = http.client.HTTPSConnection(
            urlsplit(cluster["server"]).netloc, timeout=LONGEST_ANSWER, context=context
        )

    def send(self, step: Step) -> Object:
        """The answer to one request: its code, its warnings and its body, decoded where it is JSON."""
        body = step.text if step.text is not None else None if step.body is None else json.dumps(step.body)
        sent = {"Content-Type": "application/json", **self._headers, **step.headers}
        path = step.path + (f"?{urlencode(step.query)}" if step.query else "")
        try:
            self._connection.request(step.method, path, body.encode() if body is not None else None, sent)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request opens another
            return {"code": 0, "body": type(error).__name__}
        media_type = answer.getheader("Content-Type", "").partition(";")[0]
        found: Object = {"code": answer.status, "type": media_type}
        found["body"] = _decoded(content, media_type)
        warnings = [value for name, value in answer.getheaders() if name.lower() == "warning"]
        return found | ({"warnings": ", ".join(warnings)} if warnings else {})

    def must(self, method: str, path: str, body: Any = None) -> Any:
        """The body of an answer that is no refusal."""
        answer = self.send(Step(method, path, body=body))
        if answer["code"] >= 300:
            raise RuntimeError(f"{method} {path} was refused: {answer['body']}")
        return answer["body"]

    def until(self, step: Step, is_so: Any, why: str) -> Object:
        """The first answer of the kind that is waited for."""
        deadline = time.monotonic() + LONGEST_WAIT
        while not is_so(answer := self.send(step)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{why}: {step.method} {step.path} still answers {answer}")
            time.sleep(0.01)
        return answer


def _decoded(content: bytes, media_type: str) -> Any:
    if media_type == "application/json" and content:
        return json.loads(content)
    if media_type == "application/yaml":
        return parse_body(content, media_type)
    return content.decode(errors="replace")


def _load_certificate(context: ssl.SSLContext, user: Object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, part) for part in ("certificate", "key")]
        for file, part in zip(files, ("client-certificate-data", "client-key-data"), strict=True):
            file.write_bytes(base64.b64decode(user[part]))
        context.load_cert_chain(files[0], files[1])


def prepare(cluster: Cluster, namespace: str) -> None:
    """A new namespace, with the service account that pods need."""
    path = f"/api/v1/namespaces/{namespace}"
    cluster.send(Step("DELETE", path))
    cluster.until(Step("GET", path), lambda answer: answer["code"] == 404, "The namespace of an earlier run stays")
    cluster.must("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    account = Step("GET", f"{path}/serviceaccounts/default")
    cluster.until(account, lambda answer: answer["code"] == 200, "There is no service account")


def answers(cluster: Cluster, case: Case) -> list[Object]:
    """The answers to the case's requests, in order; those that are only waited for are not among them."""
    known: dict[str, str] = {}
    found = []
    for step in case.steps:
        filled = _filled_in(step, known)
        if step.until:
            cluster.until(
                filled,
                lambda answer, path=step.until: answer["code"] >= 400 or _has(answer["body"], path),
                "No controller came",
            )
            continue
        answer = cluster.send(filled)
        _remember(answer["body"], known)
        found.append(answer)
    return found


def _has(body: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        body = body.get(part, {})
    return bool(body)


def _filled_in(step: Step, known: dict[str, str]) -> Step:
    if not known or "$" not in json.dumps([step.query, step.body]):
        return step
    text = json.dumps([step.query, step.body])
    for name, value in known.items():
        text = text.replace(f'"${name}"', json.dumps(value))
    query, body = json.loads(text)
    return Step(step.method, step.path, query, body, step.text, step.headers)


def _remember(body: Any, known: dict[str, str]) -> None:
    metadata = body.get("metadata") if isinstance(body, dict) else None
    for name, field in REMEMBERED:
        if isinstance(metadata, dict) and metadata.get(field):
            known[name] = metadata[field]
