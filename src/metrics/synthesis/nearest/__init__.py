"""Nearest images: distances and shifted correlations of many with many, by matrix products."""
