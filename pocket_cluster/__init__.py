"""A Kubernetes that pip installs: real API, real controllers, pods as processes, on one machine, without root.

Organised as Kubernetes is, component for component:

==============  ============================================================================
api             what every component shares: the API client, informers, work queues, selectors
apiserver       the Kubernetes API over HTTPS, storage, watches, admission
controllers     Deployments, ReplicaSets, Jobs, EndpointSlices, namespaces, garbage collection
scheduler       gives each pod a node
kubelet         runs pods as processes on this machine
kube_proxy      node ports and cluster addresses, and the choice of a pod for each connection
==============  ============================================================================

The components talk to the API server alone and never import each other.
"""

__version__ = "0.1.0"
