"""`python -m cityseg`."""

import sys

from cityseg.cli.main import main

sys.exit(main())
