"""The words of a job, as they are kept and handed on."""

from __future__ import annotations

from omegaconf import OmegaConf

from ganatomy.runs.multirun import given_words


def test_an_interpolation_in_a_word_stays_a_word() -> None:
    """It refers to the configuration, in which Hydra resolves it; the list of words holds no such key."""
    words = ["model.generator={stem: 16, body: {in_channels: '${..stem}'}}", "seed=1"]
    assert given_words(OmegaConf.create({"overrides": {"task": words}})) == words
