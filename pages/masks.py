"""The page Masks."""

import streamlit as st

st.title("Masks")
