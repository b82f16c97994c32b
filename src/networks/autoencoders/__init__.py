"""Encoders, and generators with an encoder."""
