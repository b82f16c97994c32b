"""Apply a finished run to files: the command `predict`."""
