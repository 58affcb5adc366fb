"""What makes this version what it is. Change it, build the image, and see your own version run."""

TITLE = "kubechaos"
VERSION = "original"
COLOUR = "#0072b2"

SURPRISES = [
    "A pod walks into a bar. The bar is evicted.",
    "There are two hard things: naming, caching, and counting replicas.",
    "Nothing happened here. That is what self-healing looks like.",
    "Fortune says: you will soon be rescheduled.",
    "You have won one restart. It counts.",
    "This page was brought to you by a label and a selector.",
    "Somewhere a ReplicaSet is one short. Not for long.",
    "Your request took the scenic route through kube-proxy.",
]
