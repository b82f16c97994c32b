"""Says of an image that it is unlike those a network learned from, and why."""
