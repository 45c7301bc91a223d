"""``python -m nascence`` is ``nascence``."""

import sys

from nascence.cli import main

if __name__ == "__main__":
    sys.exit(main())
