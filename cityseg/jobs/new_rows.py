"""The rows that come to metrics.jsonl, from look to look."""

from cityseg.errors import RunError
from cityseg.runs import MetricRow, RunDir, rows_of_lines


class NewRows:
    """The rows that came to metrics.jsonl since the last look."""

    def __init__(self, run: RunDir) -> None:
        """Of the file of `run`, which need not exist yet."""
        self._run = run
        self.problem = ""  # with the first row that is none of cityseg, to be shown
        self._start_over()
        self._seen: tuple[int, int] | None = None

    def _start_over(self) -> None:
        self._at, self._last = 0, b""

    def read(self) -> list[MetricRow]:
        """The new rows; all rows once more after a resumed run has cut the file."""
        try:
            found = self._run.metrics_file.stat()
            if (found.st_mtime_ns, found.st_size) == self._seen:
                return []
            self._seen = found.st_mtime_ns, found.st_size
            content = self._content()
        except FileNotFoundError:
            return []
        whole, _, _ = content.rpartition(b"\n")
        if not whole:
            return []
        lines = whole.split(b"\n")
        self._at, self._last = self._at + len(whole) + 1, lines[-1] + b"\n"
        return [row for line in lines for row in self._valid(line)]

    def _valid(self, line: bytes) -> list[MetricRow]:
        try:
            return rows_of_lines([line], self._run.metrics_file)
        except RunError as error:
            self.problem = self.problem or str(error)
            return []

    def _content(self) -> bytes:
        """What stands behind the last row that was read, if that is still there."""
        with self._run.metrics_file.open("rb") as file:
            file.seek(self._at - len(self._last))
            content = file.read()
            if content.startswith(self._last):
                return content[len(self._last) :]
            self._start_over()
            file.seek(0)
            return file.read()
