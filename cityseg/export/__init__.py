"""A trained network in the forms in which other programs and people take it.

`export.onnx_file` loads torch and is imported by its name.
"""
