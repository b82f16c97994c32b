"""Data sets: sources, splits, preparation, cache and loaders."""
