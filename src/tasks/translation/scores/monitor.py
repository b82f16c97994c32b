"""Which score chooses the checkpoint of a translation: pairs decide."""

from __future__ import annotations

from ganatomy.data.datamodule import DataModule
from ganatomy.errors import UserError
from ganatomy.metrics.translation.case import SCORES

DEFAULT, UNPAIRED = "val/mae", "val/swd"


def chosen_monitor(data: DataModule, monitor: str) -> str:
    """Return the monitored score: `val/swd` in the place of `val/mae` where no validation case has a target.

    Args:
        data: Data of the run.
        monitor: `task.monitor` as given.

    Raises:
        UserError: Another score that needs targets was named, and there are none.
    """
    if monitor.split("/")[1] not in SCORES or data.has_pairs("val"):
        return monitor
    if monitor == DEFAULT:
        return UNPAIRED
    raise UserError(
        f"task.monitor: {monitor} compares with targets, and validation cases have none of their own; choose "
        f"{UNPAIRED}"
    )
