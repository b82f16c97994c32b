"""Rules of a plan by topic: from the fingerprint of the data to keys with reasons."""

from ganatomy.planning.draft import Draft
from ganatomy.planning.rules import augmentation, images, labels, networks, schedule, units


def apply(draft: Draft) -> None:
    """Choose everything but what is timed: the number of steps and of validations."""
    if draft.task in ("synthesis", "anomaly"):
        return
    units.choose(draft)
    images.choose(draft)
    networks.choose(draft)
    labels.choose(draft)
    augmentation.choose(draft)
    schedule.choose(draft)
