"""The command line: `cityseg`, the same as `python -m cityseg`.

Each command is a module here, listed in `main.COMMANDS`: its docstring is its help, its
`add_arguments(parser)` says what it takes and which function carries it out.
"""

from cityseg.errors import EXIT_ALL, EXIT_NOTHING, EXIT_SOME

__all__ = ["EXIT_ALL", "EXIT_NOTHING", "EXIT_SOME"]
