"""Every name that a configuration may give has a test against its formula."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from ganatomy.adversarial import AUGMENTS, LOSSES, PENALTIES, WEIGHTS
from tests.adversarial.augment import test_augment
from tests.adversarial.losses import test_losses
from tests.adversarial.penalties import test_penalties
from tests.networks.noise_to_image import test_fastgan

PENALTY_FORMULAS: dict[str, Callable[..., None]] = {
    "r1": test_penalties.test_r1_and_r2_equal_the_closed_form,
    "r2": test_penalties.test_r1_and_r2_equal_the_closed_form,
    "gradient_penalty": test_penalties.test_gradient_penalty_equals_the_closed_form,
    "lecam": test_penalties.test_lecam_equals_its_formula_over_a_planted_sequence,
    "weight_clip": test_penalties.test_weight_clip_acts_after_each_of_d_s_steps,
    "spectral_norm": test_penalties.test_spectral_norm_brings_the_largest_singular_value_to_one,
    "reconstruction": test_fastgan.test_reconstruction_is_its_formula_and_its_quarter_goes_round,
}
AUGMENT_FORMULAS: dict[str, Callable[..., None]] = {
    "diffaugment": test_augment.test_contrast_and_brightness_in_standard_deviations,
    "ada": test_augment.test_ada_s_controller_follows_its_formula_on_a_planted_sequence,
}
FEATURES = {"multiscale_l1": test_losses.test_multiscale_l1_is_the_mean_distance_over_layers_and_zero_sum}
"""Losses that are no formula of the logits alone."""


def adaptive(step: int, task: np.ndarray, adversarial: np.ndarray) -> float:
    """Follow arXiv 2012.09841, eq. 7."""
    return 0.3 * float(np.sqrt((task**2).sum()) / np.sqrt((adversarial**2).sum()))


WEIGHT_FORMULAS: dict[str, tuple[dict[str, float], Callable[..., float]]] = {
    "fixed": ({"value": 0.3}, lambda step, task, adversarial: 0.3),
    "warmup": ({"value": 0.4, "steps": 8}, lambda step, task, adversarial: 0.4 * min(step, 8) / 8),
    "adaptive": ({"share": 0.3}, adaptive),
}


@pytest.mark.parametrize("name", WEIGHT_FORMULAS)
def test_weights_equal_their_formulas(name: str) -> None:
    arguments, formula = WEIGHT_FORMULAS[name]
    weight, chance = WEIGHTS[name](**arguments), np.random.default_rng(0)
    for step in (0, 3, 8, 20):
        task, adversarial = chance.normal(size=(3, 4)), chance.normal(size=(3, 4))
        got = weight(step, [torch.tensor(task)], [torch.tensor(adversarial)])
        assert float(got) == pytest.approx(formula(step, task, adversarial), rel=1e-12)


@pytest.mark.parametrize(
    ("formulas", "names"),
    [
        ({**test_losses.FORMULAS, **FEATURES}, LOSSES),
        (PENALTY_FORMULAS, PENALTIES),
        (WEIGHT_FORMULAS, WEIGHTS),
        (AUGMENT_FORMULAS, AUGMENTS),
    ],
    ids=["losses", "penalties", "weights", "augments"],
)
def test_every_name_has_a_formula(formulas: dict[str, object], names: dict[str, object]) -> None:
    assert set(formulas) == set(names), "write the formula's test, and name it here"
