"""What the notebooks call: a cluster with kubectl's verbs, and a prober that measures who serves.

``cluster = connect()`` gives a Cluster; ``cluster.probe("kubechaos-svc")`` gives Visits, and ``visits.by("version")``
their Split. ``page`` and ``kubechaos_helpers.course`` make a page of a notebook. Every error that a learner meets is a
CourseError.

Importing this costs little: the official client, matplotlib and ipywidgets are imported when they are first used.
"""

from kubechaos_helpers.cluster import Cluster
from kubechaos_helpers.connect import connect
from kubechaos_helpers.course import page
from kubechaos_helpers.enough import requests_to_tell
from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.recordings import recording
from kubechaos_helpers.visits import Split, Visits

__all__ = ["Cluster", "CourseError", "Split", "Visits", "connect", "page", "recording", "requests_to_tell"]
