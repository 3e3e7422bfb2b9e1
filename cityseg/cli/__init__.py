"""The command line: `python -m cityseg`."""
