"""Run the command line: `python -m cityseg`, the same as the command `cityseg`."""

import sys

from cityseg.cli.main import main

sys.exit(main())
