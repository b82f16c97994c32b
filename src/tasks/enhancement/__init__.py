"""Enhancement: image in, better image out."""

from ganatomy.tasks.enhancement.task import EnhancementTask

__all__ = ["EnhancementTask"]
