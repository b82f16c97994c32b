"""The guard: names a game that fails, from values that a run logs anyway. Pure functions, no network."""
