"""Baselines: predictors with almost no learning, scored as `baseline/<name>/<score>`."""
