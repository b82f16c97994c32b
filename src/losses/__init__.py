"""Losses of the tasks that MONAI lacks."""
