"""Adversarial losses in pairs (discriminator, generator), feature matching, and the adversarial weight."""
