"""Collectives, random numbers and layers over the global batch of all processes."""
