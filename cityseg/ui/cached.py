"""What several pages read, kept for a while and bounded; files are the truth, so nothing stays."""

from pathlib import Path

import streamlit as st

from cityseg.dataset import Frame, find_frames


@st.cache_resource(ttl=20, max_entries=4, show_spinner="Looking for frames …")
def frames(data: Path) -> list[Frame]:
    """All frames below `data`, sorted; not to be changed. Raises DatasetError."""
    return find_frames(data)
