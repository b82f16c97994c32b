"""Virtual heads in several contrasts; see `source.py`."""

from ganatomy.data.sources.contrasts.source import BrainContrasts

__all__ = ["BrainContrasts"]
