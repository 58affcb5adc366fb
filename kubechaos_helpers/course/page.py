"""What pages do around their measurements: begin from any state, compare a manifest, point to the learner's copy."""

from __future__ import annotations

import difflib
import json
import time
from pathlib import Path

from kubechaos_helpers import manifests, waiting
from kubechaos_helpers.address import browser_url, is_neighbour, notebook_proxy
from kubechaos_helpers.cluster import Cluster
from kubechaos_helpers.course import application, pages
from kubechaos_helpers.course.beside import show_beside
from kubechaos_helpers.course.faults import break_something
from kubechaos_helpers.course.lesson import end
from kubechaos_helpers.course.look import Look
from kubechaos_helpers.course.open_pages import open_page
from kubechaos_helpers.course.pool import show_pool
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import copy_without_answers, mine, my_folder, shipped
from kubechaos_helpers.printing import align, fold
from kubechaos_helpers.rules import read_rules, recorded_rules

Object = manifests.Object
SECONDS = 90.0
# A kubelet brings mounted ConfigMaps up to date about once a minute.
MOUNT_SECONDS = 120.0
PAUSE_SECONDS = 0.25
CRASHING = "CrashLoopBackOff"
LOG_LINES = 4


def start(number: str) -> None:
    """Offer the learner's own copy of a page when the shipped notebook, which holds the answers, is open instead."""
    copy = copy_without_answers(shipped(f"notebooks/{pages.page(number).notebook}"))
    if Path.cwd().resolve() == shipped("notebooks").resolve():
        print(f"Your own copy of this page, without the answers: {_shown(copy)}. Open that one to learn.")
    else:
        print("This is your own copy: change what you like.")
    _tell_of_others(open_page(number))
    _explain_missing_names()


def _tell_of_others(numbers: list[str]) -> None:
    if numbers:
        which = f"Page {numbers[0]} is" if len(numbers) == 1 else f"Pages {', '.join(numbers)} are"
        print(
            fold(
                f"{which} open as well, on the same cluster: what one page changes, another finds changed. Finish there"
                " first and shut its kernel down (menu Kernel, Shut Down Kernel), or run catch_me_up with the section's"
                " number here whenever you come back."
            )
        )


def _explain_missing_names() -> None:
    """Where a cell was left out, say which name is missing instead of showing a traceback."""
    from IPython import get_ipython

    def explain(_shell: object, _kind: type, error: NameError, *_: object, **__: object) -> None:
        print(
            f"There is no {error.name!r} yet: a cell further up makes it. Run the cells above this one first"
            " (menu Run, Run All Above Selected Cell), or at least the first one and those of this section."
        )

    shell = get_ipython()
    if shell is not None:
        shell.set_custom_exc((NameError,), explain)


def _shown(path: Path) -> str:
    return f"my/{path.relative_to(my_folder())}"


# --- manifests


def show_difference(before: str, after: str) -> None:
    """Print what changes from one shipped manifest to another, as ``diff -u`` does."""
    one, other = (shipped(name).read_text().splitlines() for name in (before, after))
    lines = difflib.unified_diff(one, other, Path(before).name, Path(after).name, lineterm="")
    print("\n".join(line.rstrip() for line in lines))


def compare(manifest: Path, with_shipped: str) -> None:
    """Say what is still different between the learner's manifest and the lesson's, object by object."""
    try:
        own = manifests.load(manifest)
    except CourseError as error:
        print(error)
        return
    wanted = {manifests.identity(obj): obj for obj in manifests.load(shipped(with_shipped))}
    found = {manifests.identity(obj): obj for obj in own}
    lines = [f"{kind} {name} is missing." for kind, name in wanted if (kind, name) not in found]
    lines += [f"{kind} {name} is not part of the lesson." for kind, name in found if (kind, name) not in wanted]
    for identity in wanted.keys() & found.keys():
        lines += [f"{' '.join(identity)}: {each}" for each in _differences(found[identity], wanted[identity], "")]
    print("\n".join(sorted(lines)) or "Your manifest describes exactly what the lesson needs.")


def _differences(found: object, wanted: object, path: str) -> list[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        return [
            line
            for key in sorted({*found, *wanted})
            for line in _differences(found.get(key), wanted.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = enumerate(zip(found, wanted, strict=True))
        return [line for index, (one, other) in pairs for line in _differences(one, other, f"{path}[{index}]")]
    if found == wanted:
        return []
    if found is None:
        return [f"{path} is missing; it should be {wanted!r}."]
    return [f"{path} is {found!r}; it should be {wanted!r}." if wanted is not None else f"{path} should not be there."]


def complete(manifest: Path, with_shipped: str) -> None:
    """Replace the learner's manifest by the whole one; what was written is kept beside it."""
    whole = shipped(with_shipped).read_text()
    if manifest.read_text() != whole:
        manifest.with_name(manifest.name + ".before").write_text(manifest.read_text())
        manifest.write_text(whole)
    print(f"{_shown(manifest)} is the whole manifest now; what it was before is in {manifest.name}.before.")


def replace_in(file: Path, old: str, new: str) -> None:
    """Change words in one of the learner's files. CourseError when the file has neither the old nor the new ones."""
    text = file.read_text(encoding="utf-8")
    is_done = new in text and (old in new or old not in text)
    if not is_done and old not in text:
        raise CourseError(f"{_shown(file)} does not have {old!r}: it was changed. Edit it by hand, or delete it first.")
    if not is_done:
        file.write_text(text.replace(old, new), encoding="utf-8")
    print(f"{_shown(file)}: {new.strip()}")


# --- what is there


def first(cluster: Cluster, what: str, selector: str) -> Object:
    """The first object of a kind that a label selector matches; CourseError when there is none."""
    found = cluster.objects(what, selector)
    if not found:
        raise CourseError(
            f"There are no {what} with {selector} now. Run catch_me_up of this section (its number stands in the"
            " heading), then the section's cells from the first one."
        )
    return found[0]


def taken_out(cluster: Cluster) -> str:
    """The name of a pod that its ReplicaSet has lost, by whatever label; CourseError when there is none."""
    found = Look(cluster).taken_out()
    if not found:
        raise CourseError(
            "Every pod belongs to a ReplicaSet, so there is none to study. Do the exercise above, whose solution is in"
            " the hints, then run this cell again."
        )
    return min(found)


def show_owners(cluster: Cluster, selector: str) -> None:
    """Print Deployments, ReplicaSets and pods with the object that each belongs to, as kubectl would."""
    columns = "custom-columns=KIND:.kind,NAME:.metadata.name,OWNER:.metadata.ownerReferences[*].name"
    cluster.show_command("get", "deployments,replicasets,pods", "-l", selector, "-o", columns)
    rows = [("KIND", "NAME", "OWNER")]
    for kind in ("Deployment", "ReplicaSet", "Pod"):
        for obj in (each["metadata"] for each in cluster.objects(kind, selector)):
            owners = ",".join(owner["name"] for owner in obj.get("ownerReferences") or [])
            rows.append((kind, obj["name"], owners or "<none>"))
    print(align(rows))


def show_successor(cluster: Cluster, kind: str, before: Object, selector: str) -> None:
    """Wait for the object that takes another one's place, and say whether it has its name."""
    old, found = before["metadata"], cluster.api.kind(kind)

    def others(seen: waiting.Objects) -> list[Object]:
        return [each for each in seen.values() if each["metadata"]["uid"] != old["uid"]]

    if not waiting.until(cluster.api, found, cluster.namespace, selector, lambda seen: bool(others(seen)), SECONDS):
        raise cluster.waited_in_vain(
            f"Nothing took the place of {old['name']} in {SECONDS:.0f} s. See: kubectl get {kind}"
        )
    now = [
        each["metadata"]["name"] for each in cluster.objects(kind, selector) if each["metadata"]["uid"] != old["uid"]
    ]
    name = "the same name" if old["name"] in now else "another name"
    print(f"There is a new {found.kind}, with {name}: {', '.join(now)}.")


def show_failing_log(cluster: Cluster, selector: str) -> None:
    """Wait for a pod whose program ends again and again, and print the last lines of its log."""

    def failing(seen: waiting.Objects) -> list[str]:
        return [name for name, pod in seen.items() if CRASHING in json.dumps(pod.get("status") or {})]

    pods = cluster.api.kind("pods")
    if not waiting.until(cluster.api, pods, cluster.namespace, selector, lambda seen: bool(failing(seen)), SECONDS):
        raise cluster.waited_in_vain(f"No pod with {selector} fails at its start. See what they do: kubectl get pods")
    name = failing({each["metadata"]["name"]: each for each in cluster.objects("pods", selector)})
    cluster.logs(name[0], lines=LOG_LINES)


def show_page(cluster: Cluster, service: str, until: str = "") -> None:
    """Print what a Service's page says, as soon as it has the words ``until``."""
    deadline = time.monotonic() + MOUNT_SECONDS
    while until not in " ".join(seen := application.see(cluster, service)):
        if time.monotonic() > deadline:
            raise cluster.waited_in_vain(f"The page still does not say {until!r}. It says: {', '.join(seen)}.")
        time.sleep(PAUSE_SECONDS)
    print(f"The page of {service}:")
    print("\n".join(f"    {line}" for line in (seen.title, seen.message, f"Version: {seen.version} ({seen.tag})")))


# --- addresses


def link(cluster: Cluster, service: str) -> object:
    """A link to the Service's page for the learner's own browser."""
    from IPython.display import HTML

    way = cluster.way(service)
    note = "" if cluster.is_own else f" It is {way.title}: {way.splits}."
    if notebook_proxy():
        note += (
            " Here a proxy stands between your browser and the Service: it opens a new connection for each refresh,"
            " and a private window asks for a token. The cells below show the same with the prober."
        )
    return HTML(  # type: ignore[no-untyped-call]
        f'<a href="{browser_url(way.url)}" target="_blank" rel="noopener">Open the page of {service} in a new tab</a>'
        + note
    )


def show_endpoints(cluster: Cluster, service: str) -> None:
    """Print each address behind a Service beside the pod that has it."""
    rows = [("ADDRESS", "POD", "VERSION", "READY")]
    found = sorted(cluster.endpoints(service), key=lambda each: each[1])
    rows += [(ip, pod, version, str(ready).lower()) for ip, pod, version, ready in found]
    print(align(rows) if found else f"Nobody is behind {service} now.")


def show_reach(cluster: Cluster, service: str) -> None:
    """Say whether a terminal on this machine can open the pods' own addresses; nothing is sent."""
    addresses = [ip for ip, *_ in cluster.endpoints(service)]
    if not addresses:
        print(f"Nobody is behind {service} now.")
    elif is_neighbour(addresses[0]):
        print(f"This machine has an interface in the pods' network: a terminal here can open {addresses[0]} itself.")
    else:
        print(f"This machine has no interface in the pods' network: a terminal here cannot open {addresses[0]}.")


__all__ = [
    "break_something",
    "compare",
    "complete",
    "end",
    "first",
    "link",
    "mine",
    "read_rules",
    "recorded_rules",
    "replace_in",
    "shipped",
    "show_beside",
    "show_difference",
    "show_endpoints",
    "show_failing_log",
    "show_owners",
    "show_page",
    "show_pool",
    "show_reach",
    "show_successor",
    "start",
    "taken_out",
]
