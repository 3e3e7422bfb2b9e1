"""The app. The server imports this module once, and runs it as a script for each session.

Imported, it names the application: its script and the addresses that serve pictures.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from cityseg.ui import shell
from cityseg.ui.routes import ROUTES

if get_script_run_ctx(suppress_warning=True):
    shell.run()
else:
    app = st.App(__file__, routes=ROUTES)
