"""``python -m pocket_cluster COMMAND``."""

import sys

from pocket_cluster.cli import main

sys.exit(main())
