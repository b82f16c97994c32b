"""Limits of what a configuration may do: the classes it may name, and what files from elsewhere may hold."""
