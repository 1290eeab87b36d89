"""python -m microgradnet."""

import sys

from microgradnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
