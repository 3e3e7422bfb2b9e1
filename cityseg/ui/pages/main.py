"""The script that the server runs for each session; see `app.py`."""

from cityseg.ui import shell

shell.run()
