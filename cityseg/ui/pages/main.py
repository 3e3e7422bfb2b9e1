"""The app. The server imports this module once, and runs it as a script for each session.

Imported, it names the application: its script, the addresses that serve
pictures, and the layers around all of them.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from cityseg.ui import application, shell

if get_script_run_ctx(suppress_warning=True):
    shell.run()
else:
    app = st.App(__file__, **application.settings())
