"""cityseg in the browser: `streamlit run app.py [-- --data DATA --runs RUNS …]`.

The same as `cityseg app`. The script of its sessions is not this file, because Streamlit would then
offer each file in `pages/` as an application of its own, without navigation. Only `AppTest` runs
this file as a script.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from cityseg.ui import application, shell

if get_script_run_ctx(suppress_warning=True):
    shell.run()
else:
    app = st.App("cityseg/ui/pages/main.py", **application.settings())
