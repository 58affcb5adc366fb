"""Start here."""

from collections.abc import Iterator

from kubechaos_helpers.course.exercise import exercise
from kubechaos_helpers.course.look import Look
from kubechaos_helpers.visits import plural

NAME, WANTED = "kubechaos", 2


def _there(look: Look) -> str:
    if NAME not in look.deployments:
        return f"There is no Deployment {NAME}; there are: {', '.join(look.deployments) or 'none'}."
    pods = len(look.pods_with(app=NAME))
    return f"Deployment {NAME} is to keep {look.replicas(NAME)} and has {pods} {plural(pods, 'pod')} now."


@exercise(
    "00.two-pods",
    done="The Deployment keeps two pods, and both are ready.",
    live_hint=_there,
    where="`kubectl get deployments` shows in READY how many pods are ready, and how many are wanted.",
    field="`spec.replicas` is how many pods a Deployment keeps. `cluster.scale` and `kubectl scale` set it.",
)
def two_pods(look: Look) -> Iterator[str]:
    if NAME not in look.deployments:
        yield f'{_there(look)} Bring it back with catch_me_up("00.3").'
    elif look.replicas(NAME) != WANTED:
        yield f"{_there(look)} Let it keep {WANTED}."
    elif not look.is_rolled_out(NAME):
        yield f"{_there(look)} Not all of them are ready. {look.why_not_ready(NAME)}"
