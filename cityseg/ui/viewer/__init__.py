"""The picture viewer: a Streamlit component of our own."""

from cityseg.ui.viewer.component import Gallery, Picture, Queue, QueuedRegion, Tagging, viewer
from cityseg.ui.viewer.modules import ROUTE

__all__ = ["ROUTE", "Gallery", "Picture", "Queue", "QueuedRegion", "Tagging", "viewer"]
