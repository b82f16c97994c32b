"""Translation between modalities; see `task.py`."""

from ganatomy.tasks.translation.task import TranslationTask

__all__ = ["TranslationTask"]
