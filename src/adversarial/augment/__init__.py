"""Augmentation of the discriminator's inputs."""
