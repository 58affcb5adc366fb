"""What this version looks like and says. Change it, build an image of it, and find it behind the Service."""

VERSION = "custom"
IMAGE_TAG = "v2"
TITLE = "Kubechaos, my way"
MESSAGE = "You are looking at the custom version."
COLOUR = "#d9480f"  # of the band and the frame: any CSS colour; the text stays readable with each of them
PATTERN = "striped"  # of the band: solid, striped or dotted
DELAY = 0  # seconds that each page takes
SURPRISES = [
    "🦖 A dinosaur has merged your pull request. It did not read it.",
    "🎷 The load balancer plays free jazz: each connection is a solo.",
    "🪄 Abracadabra! The pod you saw before is still there. You are not.",
    "🌶️ This version has extra chilli.",
    "🧃 Your cluster has been squeezed. Please shake before use.",
    "🛸 Unidentified traffic was seen over node 51.",
    "🐝 A swarm of replicas is looking for a new hive.",
    "🥁 Drum roll … and here is exactly the same page with another sentence.",
]
