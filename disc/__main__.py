"""`python -m disc`, for torchrun and other launchers."""

import sys

from disc.cli import main

sys.exit(main())
