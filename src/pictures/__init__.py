"""Pure functions from arrays and scores to pictures, tables and pages."""

from ganatomy.pictures.draw import ERRORS, colours, error_map, grey, overlay, shown
from ganatomy.pictures.panel import Picture, panel, png, save_png

__all__ = [
    "ERRORS",
    "Picture",
    "colours",
    "error_map",
    "grey",
    "overlay",
    "panel",
    "png",
    "save_png",
    "shown",
]
