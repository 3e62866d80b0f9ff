"""``python -m ashare``: the command ``ashare``."""

from __future__ import annotations

import sys

from ashare.command import main

if __name__ == "__main__":
    sys.exit(main())
