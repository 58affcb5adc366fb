"""What live widgets and stories leave behind, or should not."""

import threading


def threads() -> list[str]:
    """The names of the helpers' threads that run in this process."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("kubechaos ")]
