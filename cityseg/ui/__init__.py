"""The app: with `app.py` and `pages/` the only code that imports Streamlit and Plotly."""
