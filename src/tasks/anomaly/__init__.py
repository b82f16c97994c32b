"""Anomaly detection, learned from healthy images alone."""

from ganatomy.tasks.anomaly.task import AnomalyTask

__all__ = ["AnomalyTask"]
