"""Calibration of probabilities, and what doubt is worth: ECE, Brier, reliability and risk-coverage curves."""
