"""Helpers that several tasks use."""
