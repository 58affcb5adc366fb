"""Chaos."""

import math
from collections.abc import Iterator
from typing import Any

from kubechaos_helpers import rollouts
from kubechaos_helpers.course import faults
from kubechaos_helpers.course.exercise import exercise
from kubechaos_helpers.course.look import Look, container, labels_of
from kubechaos_helpers.load import verdict_of
from kubechaos_helpers.waiting import is_ready

SERVICE, ORIGINAL, CUSTOM = "kubechaos-svc", "kubechaos-original", "kubechaos-custom"
Object = dict[str, Any]

# --- a rolling update that loses nothing

START, PAGE = "KUBECHAOS_START_DELAY", "KUBECHAOS_DELAY"
LEAST = {START: 1.0, PAGE: 3.0}
# Each page takes three seconds, so that many visitors are being served at any moment.
VISITORS: dict[str, Any] = {"visitors": 40, "rate": 0.25}


def _settings(template: Object) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in template["spec"]["containers"][0].get("env") or []}


def _seconds(text: object) -> float | None:
    """None for what is no number of seconds."""
    try:
        number = float(str(text))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _hook_seconds(hook: Object) -> float:
    """How long a preStop hook takes, as far as its manifest says."""
    command = (hook.get("exec") or {}).get("command") or []
    words = [(hook.get("sleep") or {}).get("seconds"), *" ".join(map(str, command)).split()[-1:]]
    return next((seconds for seconds in map(_seconds, words) if seconds is not None), 0.0)


def _what_is_set(look: Look) -> str:
    if ORIGINAL not in look.deployments:
        return f"There is no Deployment {ORIGINAL}."
    template = look.deployments[ORIGINAL]["spec"]["template"]
    has = {"a readiness probe": "readinessProbe", "a preStop hook": "lifecycle"}
    there = [name if field in template["spec"]["containers"][0] else f"no{name[1:]}" for name, field in has.items()]
    grace = template["spec"]["terminationGracePeriodSeconds"]
    return f"The template of {ORIGINAL} has {', '.join(there)} and a grace period of {grace} s."


@exercise(
    "05.zero-lost",
    done="A rolling update under load lost nothing: visitors wait for new pods, and old pods wait for their visitors.",
    live_hint=_what_is_set,
    where="Three fields of the template: when is a pod in the Service, what comes before SIGTERM, when comes SIGKILL?",
    field="`readinessProbe.httpGet`, `lifecycle.preStop.sleep.seconds` and `terminationGracePeriodSeconds`.",
)
def zero_lost(look: Look) -> Iterator[str]:
    if ORIGINAL not in look.deployments or SERVICE not in look.services:
        yield f"There is no Deployment {ORIGINAL} with a Service {SERVICE}. Apply your manifest."
        return
    yield from _gaps_of_template(look.deployments[ORIGINAL]["spec"]["template"])
    if look.replicas(ORIGINAL) == 0:
        yield f"Deployment {ORIGINAL} is to keep 0 pods. Give it 2 in `spec.replicas`."
    elif look.deployments[ORIGINAL]["spec"]["strategy"]["type"] == "Recreate":
        yield "`spec.strategy.type` is Recreate: all old pods end before a new one starts. Leave it at RollingUpdate."
    elif not look.is_rolled_out(ORIGINAL):
        yield f"Deployment {ORIGINAL} is not ready yet. {look.why_not_ready(ORIGINAL)}"
    elif (visits := look.visits_during_restart(ORIGINAL, SERVICE, **VISITORS)).errors:
        yield f"A rolling update was measured just now. {verdict_of(visits)} {visits.reading()} {_why_still(look)}"


def _gaps_of_template(template: Object) -> Iterator[str]:
    app, settings = template["spec"]["containers"][0], _settings(template)
    for name, least in LEAST.items():
        seconds = _seconds(settings.get(name) or "0")
        if seconds is None:
            yield f'{name} is {settings[name]!r}, which is no number of seconds. Set it to "{least:.0f}" again.'
        elif seconds < least:
            yield f"{name} is {settings.get(name) or 'not set'}: keep it at {least:.0f}, the program is what it is."
    hook = (app.get("lifecycle") or {}).get("preStop")
    grace = template["spec"]["terminationGracePeriodSeconds"]
    needed = _hook_seconds(hook or {}) + LEAST[PAGE]
    if "readinessProbe" not in app:
        yield "Without a readiness probe a new pod is in the Service before it listens: visitors are refused. Add one."
    elif hook is None:
        yield (
            "Without a preStop hook the program stops listening before kube-proxy has heard of it: visitors are"
            " refused. Let it sleep first."
        )
    elif grace < needed:
        yield (
            f"The grace period of {grace} s is too short: the preStop hook and a page take {needed:.0f} s, then the"
            " program is killed while it serves. Make it longer."
        )


def _why_still(look: Look) -> str:
    hook = container(look.deployments[ORIGINAL])["lifecycle"]["preStop"]
    seconds = _hook_seconds(hook)
    if seconds < 1:
        return f"The preStop hook takes {seconds:g} s, and kube-proxy follows within one second. Let it take longer."
    return "Find the moment in the timeline: is a pod ready too early, or does it end too soon?"


# --- a pod that was taken out


@exercise(
    "05.study",
    done="The pod runs on for you alone, and visitors have as many pods as before.",
    live_hint=lambda look: (
        f"Service {SERVICE} finds its pods by {_selector(look)}; pods: {', '.join(look.pods) or 'none'}."
    ),
    where="A pod belongs to whoever selects its labels. `kubectl get pods --show-labels` shows what can be changed.",
    field="`metadata.labels.app` of one pod: `cluster.label` and `kubectl label pod NAME app=… --overwrite` set it.",
)
def study(look: Look) -> Iterator[str]:
    out = look.taken_out()
    behind = [pod for pod, *_ in look.behind(SERVICE)]
    if not look.deployments or SERVICE not in look.services:
        yield f"There are no Deployments behind a Service {SERVICE}. Run catch_me_up of this section."
    elif not out:
        yield f"Every pod belongs to a ReplicaSet ({', '.join(look.pods) or 'no pods'}). Change a label of one of them."
    for name, pod in out.items():
        if name in behind:
            yield (
                f"{name} belongs to no ReplicaSet now, but visitors still reach it: its labels {labels_of(pod)} have"
                f" all that the Service selects, {_selector(look)}. Change that label too."
            )
        elif not is_ready(pod):
            yield f"{name} is out, but it is not ready: there is nothing to study. Take another one."
    for name in look.deployments:
        if not look.is_rolled_out(name):
            yield f"{name} has no replacement yet. {look.why_not_ready(name)}"


def _selector(look: Look) -> str:
    selector = look.services[SERVICE]["spec"].get("selector") if SERVICE in look.services else None
    return str(selector or "nothing")


# --- a fault that was drawn


def _symptom(look: Look) -> str:
    ready = look.ready_behind(SERVICE) if SERVICE in look.services else []
    return f"Behind {SERVICE}, which selects {_selector(look)}, are these ready pods: {', '.join(ready) or 'none'}."


@exercise(
    "05.repair",
    done="Visitors reach both versions again, and nobody is refused.",
    live_hint=_symptom,
    where="Follow a visitor: `kubectl get endpointslices`, `kubectl get pods`, then `kubectl describe` what looks odd.",
    field="One of: the Service's `selector` or `targetPort`, a template's `readinessProbe` or `image`.",
)
def repair(look: Look) -> Iterator[str]:
    if not faults.is_marked(look.cluster):
        yield "Nothing was broken yet: run the cell with page.break_something first."
    elif SERVICE not in look.services:
        yield f"There is no Service {SERVICE} any more. Apply the lesson's manifest."
    else:
        yield from _gaps_of_service(look)


def _gaps_of_service(look: Look) -> Iterator[str]:
    behind = look.behind(SERVICE)
    for name in (ORIGINAL, CUSTOM):
        if name not in look.deployments or not look.replicas(name):
            yield f"Nobody keeps pods of {name}: it is not there, or is to keep 0. Apply the lesson's manifest."
        elif not look.is_rolled_out(name):
            yield f"{name} does not have what it wants. {look.why_not_ready(name)}"
    if not behind:
        labels = sorted({f"app={labels_of(pod).get('app', '')}" for pod in look.pods.values()})
        yield f"Service {SERVICE} selects {_selector(look)}, but the pods have {', '.join(labels)}. Make the two agree."
    elif {"custom", "original"} - {*look.ready_behind(SERVICE)}:
        yield f"{_symptom(look)} Both versions are to be there."
    elif (visits := look.visits(SERVICE)).errors:
        port = look.target_port(SERVICE)
        yield f"Ready pods are there, but visitors are sent to port {port} and refused: {visits.reading()}"


# --- a canary


CANARY_IMAGE = "local/kubechaos:v3"


def _image(look: Look) -> str:
    return look.image(look.deployments[CUSTOM]) if CUSTOM in look.deployments else "nothing"


@exercise(
    "05.rollback",
    done="The canary is gone, the version before it serves again, and visitors meet no errors.",
    live_hint=lambda look: f"{CUSTOM} is to run {_image(look)}. {look.visits(SERVICE).reading()}",
    where="`kubectl rollout history deployment/kubechaos-custom` lists the templates that it ran.",
    field="`spec.template`: `kubectl rollout undo` and `cluster.undo` bring back the one before.",
)
def rollback(look: Look) -> Iterator[str]:
    if CUSTOM not in look.deployments:
        yield f"There is no Deployment {CUSTOM}. Apply the lesson's manifest."
        return
    ran = [look.image(each) for each in rollouts.history(look.cluster.api, look.deployments[CUSTOM])]
    if CANARY_IMAGE not in ran:
        yield f"{CUSTOM} runs {_image(look)} and never ran the canary. Apply canary.yaml first."
    elif _image(look) == CANARY_IMAGE:
        yield f"{CUSTOM} still runs the canary, {CANARY_IMAGE}: {look.visits(SERVICE).reading()} Roll it back."
    elif not look.replicas(CUSTOM):
        yield f"{CUSTOM} is to keep 0 pods: that ends the errors, and the version too. Let it run what it ran before."
    elif not look.is_rolled_out(CUSTOM):
        yield f"{CUSTOM} is not there yet. {look.why_not_ready(CUSTOM)}"
    elif (visits := look.visits(SERVICE)).errors:
        yield f"Visitors still meet errors: {visits.reading()} See who answers them: kubectl get pods -L version"
