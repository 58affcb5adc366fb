"""What all that works on one pod knows of it."""

from __future__ import annotations

from pocket_cluster.api.objects import Object, uid
from pocket_cluster.kubelet.container_record import ContainerRecord, records_of
from pocket_cluster.kubelet.container_start import ContainerStart
from pocket_cluster.kubelet.node_services import NodeServices
from pocket_cluster.kubelet.probes import Target
from pocket_cluster.kubelet.status import Situation
from pocket_cluster.paths import inside


class PodContext:
    """The pod as the API server has it now, its containers, its folder, and its situation."""

    def __init__(self, services: NodeServices, pod: Object) -> None:
        self.services = services
        self.pod = pod
        self.records = records_of(pod)
        self.folder = inside(services.home.pods_dir, uid(pod))
        self.situation = Situation()
        self.gone = False

    @property
    def address(self) -> str:
        return self.services.addresses.of(uid(self.pod))

    def start_of(self, record: ContainerRecord) -> ContainerStart:
        return ContainerStart(self.services, self.pod, record, self.folder, self.address)

    def target(self, record: ContainerRecord) -> Target:
        """The container for probes and hooks."""
        to_local = self.services.home.addresses.to_local_socket
        return Target(record.spec, self.address, to_local, self.start_of(record).execute)

    def event(self, kind: str, reason: str, message: str, record: ContainerRecord | None = None) -> None:
        """Tell about the pod, or about one of its containers."""
        self.services.event(self.pod, kind, reason, message, record.field_path if record else "")
