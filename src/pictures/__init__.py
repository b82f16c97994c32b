"""Pure functions from arrays and scores to pictures, tables and pages."""

from src.pictures.draw import ERRORS, colours, error_map, grey, overlay
from src.pictures.panel import panel, png, save_png

__all__ = ["ERRORS", "colours", "error_map", "grey", "overlay", "panel", "png", "save_png"]
