"""What the learner before may have left: wrong selectors, broken images, strays, another mode of kube-proxy."""

from kubechaos_helpers import Cluster, CourseError

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 2
  selector:
    matchLabels: {labels}
  template:
    metadata:
      labels: {labels}
    spec:
      containers:
      - name: app
        image: {image}
        readinessProbe:
          httpGet:
            path: /nowhere
            port: 3000
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: kubechaos-svc
spec:
  type: NodePort
  sessionAffinity: ClientIP
  selector: {app: kubechoas}
  ports:
  - port: 3000
    targetPort: 3001
"""
LEFT = [
    DEPLOYMENT.format(name="kubechaos-custom", labels="{app: kubechaos, version: mine}", image="local/kubechaos:v1"),
    DEPLOYMENT.format(name="mine", labels="{app: kubechaos, version: third}", image="local/kubechaos:v9"),
    SERVICE,
]


def make_a_mess(cluster: Cluster) -> None:
    """Apply what can be applied, and take a pod out of its Deployment."""
    cluster.balance("round-robin")
    for manifest in LEFT:
        try:
            cluster.apply(manifest)
        except CourseError as error:  # a selector that is there already cannot be changed
            print(error)
    for pod in cluster.objects("pods", "app=kubechaos")[:1]:
        path = cluster.api.kind("pods").path(cluster.namespace, pod["metadata"]["name"])
        change = {"metadata": {"labels": {"app": "stray"}}}
        cluster.api.request("PATCH", path, None, change, "application/merge-patch+json")
