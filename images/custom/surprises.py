"""What makes this version what it is. Change it, build the image, and see your own version run."""

TITLE = "kubechaos, my way"
VERSION = "custom"
COLOUR = "#a34700"

SURPRISES = [
    "Surprise! This is the version that you made.",
    "Half of the visitors see this. Measure it.",
    "Same Service, other pod. Nobody asked you which.",
    "Roses are red, this header is not blue.",
    "You were chosen at random. Really: at random.",
    "Refresh as often as you like: this connection stays.",
    "I am the new one. Be kind.",
    "Three of me and one of the others make three quarters.",
]
