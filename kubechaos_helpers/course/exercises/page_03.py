"""Who serves my request?"""

from collections.abc import Iterator

from kubechaos_helpers import kube_proxy
from kubechaos_helpers.course.exercise import exercise
from kubechaos_helpers.course.look import Look, container

SERVICE, CUSTOM = "kubechaos-svc", "kubechaos-custom"
ORDER_REQUESTS, AFFINITY_REQUESTS = 1000, 60


def _who_is_there(look: Look) -> str:
    ready = len(look.ready_behind(SERVICE))
    return f"Behind {SERVICE} {'is 1 ready pod' if ready == 1 else f'are {ready} ready pods'}"


@exercise(
    "03.turns",
    done="The same test that said at random now says in turns: it can tell the two apart.",
    live_hint=lambda look: f"{_who_is_there(look)}. {look.visits(SERVICE, ORDER_REQUESTS).order().sentence}",
    where="The pocket cluster's kube-proxy reads its mode from the ConfigMap kube-proxy in the namespace kube-system.",
    field="`data.mode` is to be `round-robin`: `cluster.balance` and `kubectl patch configmap` both set it.",
)
def turns(look: Look) -> Iterator[str]:
    if len(look.ready_behind(SERVICE)) < 2:
        yield f"{_who_is_there(look)}. Turns need two at least: give the Deployments more pods."
        return
    if not look.cluster.is_own:
        yield (
            f"The kube-proxy of {look.cluster.name} serves others too, so it stays as it is. This exercise is for the"
            " pocket cluster, where KUBECHAOS_CLUSTER is not set."
        )
    elif _affinity(look) == "ClientIP":
        yield "The Service's sessionAffinity is ClientIP: a visitor stays with one pod in any mode. Set it to None."
    elif unanswered := look.unanswered(SERVICE, ORDER_REQUESTS):
        yield unanswered
    elif (order := look.visits(SERVICE, ORDER_REQUESTS).order()).verdict != "round-robin":
        yield f"{order.sentence} {_next_step(look)}"


def _next_step(look: Look) -> str:
    config = look.cluster.api.find(f"{kube_proxy.CONFIG_MAPS}/{kube_proxy.NAME}") or {}
    if (config.get("data") or {}).get(kube_proxy.MODE) != "round-robin":
        return "Switch kube-proxy's mode to round-robin."
    return "The mode is round-robin, so other visitors take turns as well: stop sliders and probes, and check again."


def _affinity(look: Look) -> str:
    return look.services[SERVICE]["spec"].get("sessionAffinity", "None") if SERVICE in look.services else "no Service"


@exercise(
    "03.affinity",
    done="All connections from this address reach one pod, however many there are.",
    live_hint=lambda look: f"The Service's sessionAffinity is now: {_affinity(look)}.",
    where="It is the Service that decides: `kubectl explain service.spec.sessionAffinity`.",
    field="`spec.sessionAffinity: ClientIP` in the Service; by default it is `None`.",
)
def affinity(look: Look) -> Iterator[str]:
    if SERVICE not in look.services:
        yield f"There is no Service {SERVICE}. Apply the lesson's manifest first."
    elif len(look.ready_behind(SERVICE)) < 2:
        yield f"{_who_is_there(look)}: one pod alone proves nothing. Let there be two at least."
    elif _affinity(look) != "ClientIP":
        yield f"The Service's sessionAffinity is {_affinity(look)}. Set it so that it looks at the client's address."
    elif unanswered := look.unanswered(SERVICE, AFFINITY_REQUESTS):
        yield unanswered
    elif len(look.visits(SERVICE, AFFINITY_REQUESTS).pods) != 1:
        yield "Affinity is set, and yet several pods answered: kube-proxy has not followed yet. Run the check again."


def _probe_of(look: Look) -> str:
    probe = container(look.deployments[CUSTOM]).get("readinessProbe") if CUSTOM in look.deployments else None
    return "no readiness probe" if probe is None else f"the readiness probe {probe}"


@exercise(
    "03.ready",
    done="A pod of kubechaos-custom is listed as ready only when its program answers, so no visitor comes too early.",
    live_hint=lambda look: f"The template of {CUSTOM} has {_probe_of(look)}.",
    where="What would ask the program itself? `kubectl explain pod.spec.containers.readinessProbe`",
    field="`spec.template.spec.containers[0].readinessProbe.httpGet` with `path: /healthz` and `port: 3000`.",
)
def ready(look: Look) -> Iterator[str]:
    if CUSTOM not in look.deployments:
        yield f"There is no Deployment {CUSTOM}. Apply your manifest."
        return
    template = container(look.deployments[CUSTOM])
    if "readinessProbe" not in template:
        yield f"The template of {CUSTOM} has no readiness probe. Add one to its container."
    elif not look.is_rolled_out(CUSTOM):
        yield f"The readiness probe is there, but the pods are not ready yet. {look.why_not_ready(CUSTOM)}"
    elif not any(each["name"] == "KUBECHAOS_START_DELAY" for each in template.get("env") or []):
        yield f"{CUSTOM} starts at once now. Keep KUBECHAOS_START_DELAY, so that the probe has something to find out."
    elif look.visits(SERVICE).errors:
        yield f"Some visitors still get no answer: {look.visits(SERVICE).reading()} Does the probe ask port 3000?"
