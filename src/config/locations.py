"""Folders of the project."""

from __future__ import annotations

from pathlib import Path

CONF = (Path(__file__).resolve().parents[1] / "conf").resolve()
"""The configuration files that every command is composed from."""
