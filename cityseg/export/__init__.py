"""A trained network in the forms in which other programs and people take it.

`export.onnx_file` loads torch and is imported by its name.
"""

from cityseg.export.submission import (
    SubmissionCheck,
    check_submission,
    expected_sizes,
    write_submission,
)

__all__ = ["SubmissionCheck", "check_submission", "expected_sizes", "write_submission"]
