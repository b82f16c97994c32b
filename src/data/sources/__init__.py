"""Data sources: one file per kind of data set."""
