"""The page Overview."""

import streamlit as st

st.title("Overview")
