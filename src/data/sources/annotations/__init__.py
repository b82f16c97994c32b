"""Annotation formats that several sources read."""
