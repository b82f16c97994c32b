"""Generators that draw from noise, and their discriminators."""
