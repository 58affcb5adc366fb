"""A real cluster."""

import math
from collections.abc import Iterator

from kubechaos_helpers.course.exercise import exercise
from kubechaos_helpers.course.look import Look
from kubechaos_helpers.rules import share_of_each

SERVICE = "kubechaos-svc"
PODS = 5
WANTED = (0.5, 0.25, 0.25)


def _first_rule(look: Look) -> str:
    ready = len(look.ready_behind(SERVICE))
    if not ready:
        return f"No ready pod is behind {SERVICE}, so kube-proxy writes no rule that takes a part."
    pods = "1 ready pod is" if ready == 1 else f"{ready} ready pods are"
    return f"{pods} behind {SERVICE}, so the first rule takes {1 / ready:.3g} of the connections."


@exercise(
    "06.fifth",
    done="Five ready pods, so the first of five rules takes a fifth of the connections: 0.2.",
    live_hint=_first_rule,
    where="kube-proxy writes a rule for each ready address in the EndpointSlices. What is 1 divided by 0.2?",
    field="`spec.replicas` of either Deployment: five pods in all.",
)
def fifth(look: Look) -> Iterator[str]:
    if len(look.ready_behind(SERVICE)) != PODS:
        yield f"{_first_rule(look)} That is not 0.2. Change how many pods there are."


@exercise(
    "06.chain",
    done="The first rule takes half, the second half of the other half, and the last one all that is left.",
    live_hint=lambda look: (
        f"{_first_rule(look)} The second takes a part of what that leaves, and so on. Your chain is worked out alike."
    ),
    where="Begin with the first rule: what is left after it? Which part of that is a quarter of everything?",
    field='The check takes a list of three numbers: `check("06.chain", [first, second, third])`.',
)
def chain(look: Look) -> Iterator[str]:
    takes = look.answer
    numbers = isinstance(takes, list | tuple) and all(type(each) in (int, float) for each in takes)
    if not numbers or len(takes) != len(WANTED):
        yield 'Give the check three numbers from 0 to 1, one for each rule: check("06.chain", takes).'
    elif not all(0 <= each <= 1 for each in takes):
        yield f"A rule takes from 0 to 1 of what reaches it; yours are {takes}. Write a half as 0.5."
    elif not math.isclose(takes[-1], 1):
        lost = 1 - sum(share_of_each(list(takes)))
        yield f"The last rule leaves {lost:.1%} of the connections without a pod. Let it take all that reaches it."
    elif not all(map(math.isclose, share_of_each(list(takes)), WANTED)):
        got = ", ".join(f"{share:.1%}" for share in share_of_each(list(takes)))
        yield f"Your three pods get {got}. Each rule takes a part of what the rules before it left."
