"""Synthesis: images from noise, scored as a set."""

from ganatomy.tasks.synthesis.task import SynthesisTask

__all__ = ["SynthesisTask"]
