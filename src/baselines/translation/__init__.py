"""Baselines of translation: predictors of the target that are fitted in seconds."""

from ganatomy.baselines.translation.forest import Forest
from ganatomy.baselines.translation.histogram import Histogram
from ganatomy.baselines.translation.linear import Linear
from ganatomy.baselines.translation.view import View

__all__ = ["Forest", "Histogram", "Linear", "View"]
