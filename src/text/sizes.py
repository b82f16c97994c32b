"""Sizes and counts as they are shown."""

from __future__ import annotations


def bytes_text(size: float) -> str:
    """Return a size in units of 1000 bytes.

    Example:
        >>> bytes_text(999), bytes_text(1500), bytes_text(2.5e10)
        ('999 B', '1.5 kB', '25 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def counted(count: int, thing: str) -> str:
    """Return a number with its noun, in the singular for one.

    Example:
        >>> counted(1, "case"), counted(0, "subject")
        ('1 case', '0 subjects')
    """
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
