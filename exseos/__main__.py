"""``python -m exseos``."""

import sys

from exseos.cli import main

if __name__ == "__main__":
    sys.exit(main())
