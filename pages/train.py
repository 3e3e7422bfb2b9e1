"""The page Train."""

import streamlit as st

st.title("Train")
