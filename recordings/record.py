"""Makes a recording: who answers each connection to a Service of the cluster that kubectl is connected to.

    python recordings/record.py NAME --mode iptables --service kubechaos-svc --visitors 1 --requests 4000 --fresh

The node port is visited on the first node's InternalIP. Versions come from the pods' label ``version``. The mode of
kube-proxy is only written down: the API does not tell it.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from kubechaos_helpers.recordings import SUFFIX, save
from kubechaos_helpers.running_probe import probe_url


def kubectl(*arguments: str) -> Any:
    command = ["kubectl", *arguments, "--output=json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def node_port_of(service: str) -> str:
    node = kubectl("get", "nodes")["items"][0]
    host = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
    return f"http://{host}:{kubectl('get', 'service', service)['spec']['ports'][0]['nodePort']}/"


def versions() -> dict[str, str]:
    pods = kubectl("get", "pods")["items"]
    return {pod["metadata"]["name"]: pod["metadata"]["labels"].get("version", "") for pod in pods}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--mode", required=True, help="kube-proxy's: iptables, nftables or ipvs")
    parser.add_argument("--service", default="kubechaos-svc")
    parser.add_argument("--visitors", type=int, default=1)
    parser.add_argument("--requests", type=int, default=4000, help="for each visitor")
    parser.add_argument("--fresh", action="store_true", help="a new connection for each request")
    options = parser.parse_args()
    visits = probe_url(
        node_port_of(options.service),
        versions(),
        visitors=options.visitors,
        requests=options.requests,
        keep_alive=not options.fresh,
    )
    kernel = ".".join(platform.release().split(".")[:2])
    about = {
        "kubernetes": kubectl("version")["serverVersion"]["gitVersion"],
        "kube-proxy mode": options.mode,
        "client": f"Python {platform.python_version()} on {platform.system()} {kernel}",
        "command": f"python recordings/record.py {shlex.join(sys.argv[1:])}",
    }
    save(Path(__file__).parent / f"{options.name}{SUFFIX}", visits, about)
    print(f"{options.name}: {visits.reading()} {visits.order().sentence}")
    print(visits.by("version").reading())


if __name__ == "__main__":
    main()
