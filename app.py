"""cityseg in the browser: `streamlit run app.py [-- --data DATA --runs RUNS --masks MASKS]`.

Imported by the server, this module names the application: its script and the addresses that
serve pictures. The script is not this file, because Streamlit would then offer each file in
`pages/` as an application of its own, without navigation. Run as a script, it is the application
itself, which is how `AppTest` starts.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from cityseg.ui import shell
from cityseg.ui.routes import ROUTES

if get_script_run_ctx(suppress_warning=True):
    shell.run()
else:
    app = st.App("cityseg/ui/pages/main.py", routes=ROUTES)
