"""Virtual images of branching vessels in a field of view, with their mask."""

from ganatomy.data.sources.vessels.source import Vessels

__all__ = ["Vessels"]
