"""All that knows Streamlit, apart from `app.py` and `pages/`."""
