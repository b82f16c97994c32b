"""Data: sources of cases, their preparation, cache, order and loading."""
