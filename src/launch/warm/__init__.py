"""Runs that start at once: a process that has imported once forks one for each run."""

from __future__ import annotations

from ganatomy.launch.warm.server import Client, Process, Server, launch_words, orphaned

__all__ = ["Client", "Process", "Server", "launch_words", "orphaned"]
