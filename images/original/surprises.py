"""What this version looks like and says. Change it, build an image of it, and find it behind the Service."""

VERSION = "original"
IMAGE_TAG = "v1"
TITLE = "Kubechaos"
MESSAGE = "Everything is under control. Mostly."
COLOUR = "#1f6feb"  # of the band and the frame: any CSS colour; the text stays readable with each of them
PATTERN = "solid"  # of the band: solid, striped or dotted
DELAY = 0  # seconds that each page takes
SURPRISES = [
    "🐙 An octopus has taken over the control plane. It is eight times as productive.",
    "🎲 The scheduler rolled a six. Your pod may move on to the next square.",
    "🧦 One of two replicas went missing in the laundry.",
    "🐢 Slow is smooth, smooth is eventually consistent.",
    "📦 This container is 10 % code and 90 % bubble wrap.",
    "🦆 A rubber duck has been promoted to senior site reliability engineer.",
    "🍕 The endpoint you were looking for is out for lunch.",
    "🧭 All labels point north today. So do all selectors.",
]
