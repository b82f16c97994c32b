"""Scores of finished predictions: functions first, torchmetrics classes over them."""
