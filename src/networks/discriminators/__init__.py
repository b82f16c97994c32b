"""Discriminators of images and image pairs."""
