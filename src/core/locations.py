"""Folders of the project."""

from __future__ import annotations

from pathlib import Path

CONF = Path(__file__).resolve().parents[2] / "conf"
"""The configuration files that every command is composed from."""
