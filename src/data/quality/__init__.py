"""Checks of a data set: its content, its faults, near-duplicates, and the page that shows them."""
