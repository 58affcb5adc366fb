"""Your own version."""

from collections.abc import Iterator

from kubechaos_helpers import manifests
from kubechaos_helpers.course import application
from kubechaos_helpers.course.exercise import exercise
from kubechaos_helpers.course.look import Look
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import build_context, mine, shipped

NAME, SERVICE, TEXTS = "kubechaos", "kubechaos-svc", "kubechaos-texts"
OWN, MISTAKE = "local/kubechaos:v2", "local/kubechaos:mistake"
SHIPPED_TEXTS = "manifests/01-your-own-version/texts.yaml"
TWICE = "built twice"


def _image(look: Look) -> str:
    return look.image(look.deployments[NAME])


def _running(look: Look, section: str) -> Iterator[str]:
    """What keeps the application from being visited at all."""
    if NAME not in look.deployments:
        there = ", ".join(look.deployments) or "none"
        yield f'There is no Deployment {NAME}; there are: {there}. Bring it back with catch_me_up("{section}").'
    elif SERVICE not in look.services:
        yield f'There is no Service {SERVICE}, so nobody can visit. Bring it back with catch_me_up("{section}").'
    elif look.replicas(NAME) == 0:
        yield f"Deployment {NAME} is to keep 0 pods. Let it keep 1: kubectl scale deployment {NAME} --replicas=1"


# --- texts


def _texts(look: Look) -> dict[str, str]:
    found = next((each for each in look.cluster.objects("configmaps") if each["metadata"]["name"] == TEXTS), {})
    return {key: str(text).strip() for key, text in (found.get("data") or {}).items()}


def _page_says(look: Look) -> str:
    try:
        seen = application.see(look.cluster, SERVICE)
    except CourseError as error:
        return str(error)
    return f"The page says {seen.title!r} and {seen.message!r}, and ConfigMap {TEXTS} says {_texts(look)}."


@exercise(
    "01.texts",
    done="Visitors read your title and your message, from the same image as before.",
    live_hint=_page_says,
    where="`kubectl get configmap kubechaos-texts -o yaml` shows what the ConfigMap says, the page what the pod knows.",
    field="`data.title` and `data.message`. The message is an environment variable: only a new pod reads it anew.",
)
def texts(look: Look) -> Iterator[str]:
    yield from _running(look, "01.3")
    own, first = _texts(look), manifests.load(shipped(SHIPPED_TEXTS))[0]["data"]
    for key in ("title", "message"):
        if not own.get(key):
            yield f"ConfigMap {TEXTS} has no {key}; it has: {', '.join(own) or 'nothing'}. Put data.{key} into it."
        elif own[key] == first[key]:
            yield f"The {key} in ConfigMap {TEXTS} is still {own[key]!r}. Change it in your texts.yaml and apply that."
    if not look.is_rolled_out(NAME):
        yield f"Deployment {NAME} is not ready yet. {look.why_not_ready(NAME)}"
    seen = application.see(look.cluster, SERVICE)
    if seen.message != own["message"]:
        yield (
            f"The page still says {seen.message!r}: its pod read the message when it started."
            f" Have it replaced: kubectl rollout restart deployment/{NAME}"
        )
    elif seen.title != own["title"]:
        yield f"The page has the title {seen.title!r}. A mounted file follows within a minute: check again soon."


# --- an image of one's own


def _image_hint(look: Look) -> str:
    return f"Deployment {NAME} runs {_image(look)} now." if NAME in look.deployments else "There is no Deployment now."


@exercise(
    "01.own-version",
    done="Visitors get a surprise of yours, from an image that you built.",
    live_hint=_image_hint,
    where="Three places have to agree: your `surprises.py`, the image made from it, and the Deployment's `image`.",
    field="`spec.template.spec.containers[0].image` in your kubechaos.yaml: `local/kubechaos:v2`.",
)
def own_version(look: Look) -> Iterator[str]:
    yield from _running(look, "01.4")
    folder = build_context("custom")
    if not application.own_surprises(application.surprises_in(folder)):
        yield "Your my/images/custom/surprises.py has only the course's surprises. Put one of your own into the list."
    elif _image(look) != OWN:
        yield f"Deployment {NAME} runs {_image(look)}. Let it run {OWN}: change `image` in your manifest and apply it."
    elif not look.is_rolled_out(NAME):
        yield f"Deployment {NAME} is not ready yet. {look.why_not_ready(NAME)}"
    elif any(map(look.cluster.runs_older_build, look.pods_with(app=NAME).values())):
        yield (
            f"{OWN} was built again after the pod started, and the pod runs what was there before. Have it replaced:"
            f" kubectl rollout restart deployment/{NAME}"
        )
    elif not application.own_surprises(application.surprises(look.cluster, SERVICE)):
        yield (
            f"{application.PAGES} pages had none of your surprises, though your file has one: the image was made before"
            f' your edit. Build it again with cluster.build_image("custom", "{OWN}").'
        )


def _tag_hint(look: Look) -> str:
    try:
        return f"The page says {application.see(look.cluster, SERVICE).tag!r} behind the version."
    except CourseError as error:
        return str(error)


@exercise(
    "01.second-build",
    done="A new pod started from the new build. The image's name was the same all the time.",
    live_hint=_tag_hint,
    where="`kubectl get pods` shows in AGE that the pod is older than your second build.",
    field="No field has to change: `kubectl rollout restart` only notes the time in the template's annotations.",
)
def second_build(look: Look) -> Iterator[str]:
    yield from _running(look, "01.5")
    tag = str(application.settings(build_context("custom")).get("IMAGE_TAG"))
    if TWICE not in tag:
        yield f"IMAGE_TAG in your surprises.py is {tag!r}. Run the cell that builds twice first."
    elif _image(look) != OWN:
        yield f"Deployment {NAME} runs {_image(look)}. Let it run {OWN} again."
    elif not look.is_rolled_out(NAME):
        yield f"Deployment {NAME} is not ready yet. {look.why_not_ready(NAME)}"
    elif (seen := application.see(look.cluster, SERVICE).tag) != tag:
        yield (
            f"The page says {seen!r}, and your file {tag!r}: the pod has run since before the second build."
            f" Have the Deployment replace it: kubectl rollout restart deployment/{NAME}"
        )


# --- a mistake


@exercise(
    "01.mistake",
    done="The version that could not start is mended, and runs.",
    live_hint=lambda look: (
        f"{_image_hint(look)} {look.why_not_ready(NAME) if NAME in look.deployments else ''}".strip()
    ),
    where="The last lines of the new pod's log name a file and a line: `kubectl logs POD`.",
    field="The line in my/images/mistake/surprises.py wants its closing quotation mark. Then build, and restart.",
)
def mistake(look: Look) -> Iterator[str]:
    yield from _running(look, "01.6")
    if _image(look) != MISTAKE:
        yield f"Deployment {NAME} runs {_image(look)}. The exercise is to have {MISTAKE} run, mended: apply it again."
    elif not look.is_rolled_out(NAME):
        application.settings(mine("images/mistake", first="images/custom"))  # says which line is no Python
        yield (
            f"Your file is right now, but {MISTAKE} may not have it yet. {look.why_not_ready(NAME)}"
            f' Build it again: cluster.build_image(mistake, "{MISTAKE}"), then cluster.restart("{NAME}")'
        )
