"""The page Browse."""

import streamlit as st

st.title("Browse")
