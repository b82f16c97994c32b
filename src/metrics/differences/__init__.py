"""Differences between runs, baselines and twins: their intervals, and who is behind whom."""
