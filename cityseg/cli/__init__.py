"""The command line: `cityseg`, the same as `python -m cityseg`.

Each command is a module here, listed in `main.COMMANDS`: its docstring is its help, its
`add_arguments(parser)` says what it takes and which function carries it out.
"""

from typing import Final

#: Exit statuses.
EXIT_ALL: Final = 0  # everything was done
EXIT_NOTHING: Final = 1  # nothing was done
EXIT_SOME: Final = 2  # some items were skipped, or a run was stopped
