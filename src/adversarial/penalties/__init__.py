"""Penalties on the discriminator and the generator."""
