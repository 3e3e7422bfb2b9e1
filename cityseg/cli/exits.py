"""What the exit status of a command says."""

from typing import Final

EXIT_ALL: Final = 0  # all was done
EXIT_NOTHING: Final = 1
EXIT_SOME: Final = 2  # some items were skipped, or a run was stopped
