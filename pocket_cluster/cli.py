"""The command ``pocket-cluster``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from pocket_cluster import lifecycle
from pocket_cluster.health import PROCESSES
from pocket_cluster.home import KUBERNETES_VERSION, Home, HomeError
from pocket_cluster.limits import before

LOG_NAMES = ("supervisor", *PROCESSES)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; prints a sentence and returns 1 when it cannot be done."""
    options = _parser().parse_args(arguments)
    home = Home(options.home) if options.home else Home.default()
    command: Callable[[Home, argparse.Namespace], None] = options.run
    try:
        command(home, options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read this has seen enough: head(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more
        return 128 + signal.SIGPIPE
    except (lifecycle.ClusterError, HomeError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pocket-cluster",
        description="A Kubernetes that pip installs: one node on this machine, pods as processes, no root.",
    )
    parser.add_argument(
        "--home", metavar="FOLDER", help="the cluster's folder (default: $POCKET_CLUSTER_HOME or ~/.pocket-cluster)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[Home, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("up", _up, "start the cluster, if it is not up yet")
    add("down", _down, "stop the cluster; its objects and images stay")
    add("status", _status, "say whether it is up, and what runs")
    add("kubeconfig", _kubeconfig, "print the path of the cluster's kubeconfig")
    build = add("build", _build, "build an image from a folder that has a Containerfile")
    build.add_argument("context", metavar="CONTEXT", help="the folder")
    build.add_argument("name", metavar="NAME", help="such as local/kubechaos:v2")
    add("images", _images, "list the images that were built")
    logs = add("logs", _logs, "print a component's log")
    logs.add_argument("component", nargs="?", choices=LOG_NAMES, help="(default: all of them)")
    add("reset", _reset, "stop the cluster and forget its objects; images stay")
    return parser


def _up(home: Home, _: argparse.Namespace) -> None:
    started = lifecycle.up(home)
    print(f"The pocket cluster is {'up' if started else 'up already'}: Kubernetes {KUBERNETES_VERSION}, one node.")
    print(f"For kubectl: export KUBECONFIG={home.kubeconfig}")
    _print_troubles(home)


def _down(home: Home, _: argparse.Namespace) -> None:
    was_up = lifecycle.down(home)
    print("The pocket cluster is down." if was_up else "The pocket cluster was not up.")


def _print_troubles(home: Home) -> None:
    for sentence in lifecycle.troubles(home):
        print(sentence)


def _status(home: Home, _: argparse.Namespace) -> None:
    if not lifecycle.is_up(home):
        print("The pocket cluster is down. Start it with: pocket-cluster up")
        _print_troubles(home)
        return
    pods = lifecycle.ask(home, "/api/v1/pods")["items"]
    running = sum(pod.get("status", {}).get("phase") == "Running" for pod in pods)
    print(f"The pocket cluster is up: Kubernetes {KUBERNETES_VERSION}, {running} of {len(pods)} pods running.")
    print(f"API server: {home.server}")
    print(f"Kubeconfig: {home.kubeconfig}")
    print(f"Data: {home.path}")
    _print_troubles(home)


def _kubeconfig(home: Home, _: argparse.Namespace) -> None:
    print(home.kubeconfig)
    if not home.kubeconfig.exists():
        print("It is made at the first start: pocket-cluster up", file=sys.stderr)


def _build(home: Home, options: argparse.Namespace) -> None:
    from pocket_cluster.kubelet.images import ImageError, build_image

    home.make_folders()
    try:
        digest = build_image(home, options.context, options.name)
    except ImageError as error:
        raise lifecycle.ClusterError(str(error)) from error
    print(f"Built {options.name} ({digest}).")


def _images(home: Home, _: argparse.Namespace) -> None:
    from pocket_cluster.kubelet.images import list_images

    images = list_images(home)
    if not images:
        print("No images yet. Build one with: pocket-cluster build CONTEXT NAME")
    for image in images:
        print(f"{image.name}  {image.digest}")


def _logs(home: Home, options: argparse.Namespace) -> None:
    for name in [options.component] if options.component else LOG_NAMES:
        path = home.log_of(name)
        for part in filter(Path.exists, (before(path), path)):
            for line in part.read_text(errors="replace").splitlines():
                print(line if options.component else f"{name}: {line}")


def _reset(home: Home, _: argparse.Namespace) -> None:
    lifecycle.reset(home)
    print("The pocket cluster is down and its objects are gone; images stay. Start it with: pocket-cluster up")
