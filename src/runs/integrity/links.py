"""Symbolic links in a run directory: none leads out of it unseen, as a run that goes on would write there."""

from __future__ import annotations

import os
from pathlib import Path

from ganatomy.errors import UserError

LIBRARIES = {"wandb", "tensorboard", "mlflow", "trackio"}
"""Folders of a run whose files are replaced or new, never written through."""


def refuse_links(run: Path, force: bool = False) -> None:
    """Refuse a run directory with a link to a place outside of it, unless `force`; UserError names both."""
    if force:
        return
    home = run.resolve()
    for folder, folders, files in os.walk(run):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not (place := _place(path)).is_relative_to(home):
                raise UserError(
                    f"resume: {path} is a link to {place}, outside the run, where it would write; put "
                    "the folder or file itself there, or go on through it with resume_force=true"
                )
        folders[:] = [name for name in folders if name not in LIBRARIES or Path(folder) != run]


def _place(link: Path) -> Path:
    """Return where a link leads; one that leads to itself leads out of everything."""
    try:
        return link.resolve()
    except (OSError, RuntimeError):
        return Path(os.sep)
