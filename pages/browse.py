"""The page Browse: every frame with its annotation and its mask, in the viewer."""

from cityseg.ui import cached, shell
from cityseg.ui.pages import browse
from cityseg.ui.viewer.component import viewer

folders = shell.folders()
if not browse.empty(folders):
    catalogue = cached.catalogue(folders.data, folders.masks)
    gallery = browse.gallery(folders, catalogue, browse.choose(catalogue))
    viewer(gallery, key="browse", address=True)
