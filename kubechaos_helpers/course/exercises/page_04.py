"""Three quarters."""

from collections.abc import Iterator

from kubechaos_helpers.course.exercise import exercise
from kubechaos_helpers.course.look import Look
from kubechaos_helpers.statistics import requests_needed
from kubechaos_helpers.visits import Visits

SERVICE = "kubechaos-svc"
CLOSE = (0.75, 0.70)
MANY = 2000


def _counts(look: Look) -> tuple[int, int]:
    """(custom, others) among the ready pods behind the Service."""
    behind = look.ready_behind(SERVICE)
    return behind.count("custom"), len(behind) - behind.count("custom")


def _who(look: Look) -> str:
    custom, others = _counts(look)
    return f"Behind {SERVICE} are {custom} custom and {others} other ready pods."


@exercise(
    "04.two-fifths",
    done="Two of five pods are custom, and the measured share fits 40 %.",
    live_hint=_who,
    where="Which two whole numbers make 2 of 5? The sliders, `kubectl scale` and `cluster.scale` set them.",
    field="`spec.replicas` of both Deployments: the original needs three pods for every two of the custom version.",
)
def two_fifths(look: Look) -> Iterator[str]:
    custom, others = _counts(look)
    if not custom + others:
        yield f"No ready pod is behind {SERVICE}. Apply the lesson's manifest first."
    elif 3 * custom != 2 * others:
        share = custom / (custom + others)
        yield f"{_who(look)} That gives custom {share:.0%}, not 40 %. Change one of the two numbers."
    elif unanswered := look.unanswered(SERVICE, MANY):
        yield unanswered
    elif (match := look.visits(SERVICE, MANY).by("version").matches("custom", 0.4)).verdict == "differs":
        yield f"The pods are right, but the measurement is not: {match.sentence} Run the check again."


@exercise(
    "04.enough",
    done="With so many connections a share of 70 % would have been told from 75 %, and a wrong verdict is very seldom.",
    live_hint=lambda look: f"{_who(look)} `requests_to_tell(0.75, 0.70)` says how many it takes.",
    where='The check counts what you give it: `check("04.enough", visits)`. See `visits.connections`.',
    field="`requests` and `keep_alive=False` of `cluster.probe`: requests on a connection that is kept choose nothing.",
)
def enough(look: Look) -> Iterator[str]:
    visits, needed = look.answer, requests_needed(*CLOSE)
    if not isinstance(visits, Visits):
        yield 'Give the check what you measured: visits = cluster.probe(…), then check("04.enough", visits).'
    elif visits.connections < needed:
        kept = " Connections that were kept count once." if visits.connections < len(visits.answered) else ""
        yield f"You measured {visits.connections} connections, and it takes {needed}.{kept} Measure more of them."
    elif (match := visits.by("version").matches("custom", CLOSE[0])).verdict == "differs":
        yield f"That is enough, but of something else: {match.sentence} Are three of four ready pods custom?"
