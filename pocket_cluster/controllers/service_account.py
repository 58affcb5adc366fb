"""Gives every namespace its ServiceAccount ``default`` and the ConfigMap ``kube-root-ca.crt``.

Rules: pkg/controller/serviceaccount and pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pocket_cluster.api.client import ApiError, Client
from pocket_cluster.api.objects import Object, is_being_deleted, join_key, namespace
from pocket_cluster.api.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS, Resource
from pocket_cluster.controllers.controller import Controller, Informers

ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."  # noqa: E501


class ServiceAccountController(Controller):
    name = "service-account"

    def __init__(self, client: Client, informers: Informers, ca_file: Path) -> None:
        super().__init__(client, informers)
        self._ca = ca_file.read_text()
        self.namespaces = informers.of(NAMESPACES)
        self.accounts = informers.of(SERVICE_ACCOUNTS)
        self.config_maps = informers.of(CONFIG_MAPS)
        self.namespaces.add_handler(self.enqueue)
        for informer in (self.accounts, self.config_maps):
            informer.add_handler(self._content_changed)

    def _content_changed(self, _event: str, obj: Object, _old: Object | None) -> None:
        if obj["metadata"]["name"] in ("default", ROOT_CA):
            self.queue.add(namespace(obj))

    async def reconcile(self, key: str) -> None:
        found = self.namespaces.items.get(key)
        if found is None or is_being_deleted(found):
            return
        if join_key(key, "default") not in self.accounts.items:
            await self._create(SERVICE_ACCOUNTS, key, {"metadata": {"name": "default"}})
        bundle = {"ca.crt": self._ca}
        current = self.config_maps.items.get(join_key(key, ROOT_CA))
        if current is None:
            notes = {"kubernetes.io/description": DESCRIPTION}
            await self._create(CONFIG_MAPS, key, {"metadata": {"name": ROOT_CA, "annotations": notes}, "data": bundle})
        elif current.get("data") != bundle:
            await self.client.update(CONFIG_MAPS, {**current, "data": bundle})

    async def _create(self, resource: Resource, namespace: str, obj: Any) -> None:
        try:
            await self.client.create(resource, obj, namespace)
        except ApiError as error:
            if error.reason not in ("AlreadyExists", "Forbidden"):
                raise
