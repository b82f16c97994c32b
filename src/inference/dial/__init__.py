"""Fidelity or texture: weights between those of a twin and of the GAN that was started from it."""
