"""The command `generate`: images drawn by a finished run of task=synthesis."""
