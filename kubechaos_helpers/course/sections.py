"""``catch_me_up`` brings the cluster to the start of any section, whatever was done to it before."""

from __future__ import annotations

from kubechaos_helpers.connect import connected
from kubechaos_helpers.course import pages
from kubechaos_helpers.course.lesson import bring_to


def catch_me_up(section: str) -> None:
    """Bring the cluster to the start of a section, such as ``"03.2"``. Your files and images stay."""
    place = pages.section(section)
    cluster = connected()
    cluster.build_missing_images()
    bring_to(cluster, place.begin)
    print(f"The cluster is where section {place.id}, {place.title}, begins.")
