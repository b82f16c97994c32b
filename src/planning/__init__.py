"""A plan of a run: settings chosen from the data, the time and the memory, each with its reason."""
