"""``python -m fieldpress``."""

import sys

from fieldpress.cli import main

if __name__ == "__main__":
    sys.exit(main())
