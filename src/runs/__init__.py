"""The run directory, the console, and what several runs of one command came to."""
