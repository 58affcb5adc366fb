"""Two Deployments, one Service."""

from collections.abc import Iterator

from kubechaos_helpers.course.exercise import exercise
from kubechaos_helpers.course.look import Look, labels_of

SERVICE, BOTH = "kubechaos-svc", {"kubechaos-original": "original", "kubechaos-custom": "custom"}
TWO_FOUND = (
    "There are {there} now, and {ready} ready pods behind kubechaos-svc. The manifest is to describe two Deployments,"
    " kubechaos-original and kubechaos-custom."
)


def _deployments(look: Look) -> str:
    return ", ".join(look.deployments) or "no Deployments"


@exercise(
    "02.two-versions",
    done="Both Deployments keep a pod of their own version, and kubechaos-svc has both behind it.",
    live_hint=lambda look: TWO_FOUND.format(there=_deployments(look), ready=len(look.ready_behind(SERVICE))),
    where="`kubectl get deployments` and `kubectl get pods -L version`: each Deployment needs pods of its own.",
    field="`spec.selector.matchLabels.version` and `spec.template.metadata.labels.version` must say the same.",
)
def two_versions(look: Look) -> Iterator[str]:
    for name, version in BOTH.items():
        if name not in look.deployments:
            yield f"There is no Deployment {name}; there are: {_deployments(look)}. Apply a manifest that has it."
        elif look.replicas(name) == 0:
            yield f"Deployment {name} is to keep 0 pods. Give it 1 in `spec.replicas`."
        elif not look.is_rolled_out(name):
            yield f"Deployment {name} is not ready yet. {look.why_not_ready(name)}"
        elif not look.pods_with(app="kubechaos", version=version):
            labels = labels_of(look.deployments[name]["spec"]["template"])
            yield f"The pods of {name} have the labels {labels}. Give its template `version: {version}`."
    if SERVICE not in look.services:
        yield f"There is no Service {SERVICE}. Apply the manifest's last part."
    elif sorted(set(look.ready_behind(SERVICE))) != sorted(BOTH.values()):
        selector = look.services[SERVICE]["spec"].get("selector")
        yield f"Service {SERVICE} selects {selector}: both versions are not behind it. Select `app: kubechaos` alone."
    elif unanswered := look.unanswered(SERVICE):
        yield unanswered


def _counts(look: Look) -> str:
    behind = look.ready_behind(SERVICE)
    custom, others = behind.count("custom"), len(behind) - behind.count("custom")
    return f"Behind kubechaos-svc are {custom} custom and {others} other ready pods."


@exercise(
    "02.three-quarters",
    done="Three of four ready pods are custom, and the measured share fits three quarters.",
    live_hint=lambda look: f"{_counts(look)} Each of them gets the same share of the connections.",
    where="Count what is behind the Service: `kubectl get pods -L version`. Which numbers have the ratio 3 : 1?",
    field="`spec.replicas` of Deployment kubechaos-custom: `kubectl scale` and the slider both set it.",
)
def three_quarters(look: Look) -> Iterator[str]:
    behind = look.ready_behind(SERVICE)
    custom, others = behind.count("custom"), len(behind) - behind.count("custom")
    if not behind:
        yield f"No ready pod is behind {SERVICE}. Apply the lesson's manifest first."
    elif custom < 3 * others:
        yield f"{_counts(look)} That gives custom {custom / len(behind):.0%}: give it more pods, or the others fewer."
    elif custom > 3 * others:
        yield f"{_counts(look)} That gives custom {custom / len(behind):.0%}: give it fewer pods, or the others more."
    elif unanswered := look.unanswered(SERVICE):
        yield unanswered
    elif (match := look.visits(SERVICE).by("version").matches("custom", 0.75)).verdict == "differs":
        yield f"The pods are right, but the measurement is not: {match.sentence} Run the check again."


@exercise(
    "02.third-pod",
    done="Only the two versions of the lesson answer now: what a Service selects is decided by labels alone.",
    live_hint=lambda look: f"Behind {SERVICE} are: {', '.join(pod for pod, *_ in look.behind(SERVICE)) or 'no pods'}.",
    where="`kubectl get pods -L version` shows a pod without a version. Which Deployment keeps it?",
    field="The Deployment kubechaos is not in the new manifest, so apply leaves it. Only `kubectl delete` removes it.",
)
def third_pod(look: Look) -> Iterator[str]:
    without = [pod for pod, version, ready in look.behind(SERVICE) if ready and version not in BOTH.values()]
    if without and "kubechaos" in look.deployments:
        yield f"{without[0]} is still behind {SERVICE}: Deployment kubechaos keeps it. Remove what keeps it."
    elif without:
        yield f"{without[0]} is still behind {SERVICE}, and belongs to neither version. Find out what keeps it."
    elif "kubechaos" in look.deployments:
        image = look.image(look.deployments["kubechaos"])
        yield f"Deployment kubechaos ({image}) is still there, and would put its pods behind the Service again."
    elif sorted(set(look.ready_behind(SERVICE))) != sorted(BOTH.values()):
        yield f"{_counts(look)} Both versions are to stay: apply the lesson's manifest again."
    elif unanswered := look.unanswered(SERVICE):
        yield unanswered
