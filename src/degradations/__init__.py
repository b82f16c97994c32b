"""Degradations: models of how a scanner degrades a clean image, in physical terms."""
