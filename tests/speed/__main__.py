"""``python -m tests.speed``: every row of the bench as a JSON line."""

import sys

from tests.speed.bench import main

if __name__ == "__main__":
    sys.exit(main())
