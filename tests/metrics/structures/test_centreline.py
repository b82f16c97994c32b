"""clDice: closed forms, empty masks, what is outside of the field, regions, and a planted break."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.morphology import skeletonize

from ganatomy.data.sources.vessels import Vessels
from ganatomy.errors import UserError
from ganatomy.metrics.outside import OutsideMetrics
from ganatomy.metrics.segmentation import VolumeScores
from ganatomy.metrics.structures.centreline import CentrelineDice, cldice, named_scores


def line(rows: slice, columns: slice, shape: tuple[int, int] = (15, 40)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


def test_lines_one_voxel_wide_have_a_closed_form():
    """Their skeleton is the line itself: 30 voxels, of which 20 are found, and 5 that are not there."""
    truth = line(slice(7, 8), slice(5, 35))
    found = line(slice(7, 8), slice(15, 40))
    precision, sensitivity = 20 / 25, 20 / 30
    assert cldice(found, truth) == pytest.approx(2 * precision * sensitivity / (precision + sensitivity))
    deep = np.zeros((7, 15, 40), bool), np.zeros((7, 15, 40), bool)
    deep[0][3], deep[1][3] = found, truth
    assert cldice(*deep) == pytest.approx(cldice(found, truth))


def test_width_does_not_count_and_a_gap_does():
    """A vessel drawn twice as wide is found whole; one with a gap is not, although its Dice is higher."""
    truth, wide = line(slice(6, 9), slice(5, 35)), line(slice(5, 10), slice(4, 36))
    gap = truth.copy()
    gap[:, 15:25] = False
    assert cldice(wide, truth) == pytest.approx(1, abs=0.02)
    assert cldice(gap, truth) < 0.85


def test_it_is_the_formula_of_the_paper_on_vessels():
    """Written out from the paper, with scikit-image's skeleton of the whole image."""
    source = Vessels(3, 96)
    truth, other = (source.load(record)["label"][0] > 0 for record in source.records()[:2])
    found = (truth & (np.random.default_rng(0).random(truth.shape) < 0.97)) | (other & (np.arange(96) < 30))
    precision = skeletonize(found)[truth].sum() / skeletonize(found).sum()
    sensitivity = skeletonize(truth)[found].sum() / skeletonize(truth).sum()
    expected = 2 * precision * sensitivity / (precision + sensitivity)
    assert cldice(found, truth) == pytest.approx(expected) and 0.2 < expected < 0.99
    (boxed,) = CentrelineDice([[1]])(torch.from_numpy(found * 1), torch.from_numpy(truth * 1))
    assert boxed == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(6, 6), (5, 5, 5)])
def test_empty_masks_follow_the_rule_of_dice(shape):
    empty, whole = np.zeros(shape, bool), np.ones(shape, bool)
    assert math.isnan(cldice(empty, empty))
    assert cldice(empty, whole) == cldice(whole, empty) == 0


@pytest.mark.parametrize("shape", [(3, 3), (2, 2), (1, 4), (3, 3, 3), (2, 2, 2)])
def test_a_mask_of_any_form_is_its_own_best(shape):
    """Thinning of some small masks leaves nothing: they are their own skeleton then."""
    for number in range(1, min(2 ** math.prod(shape), 300)):
        bits = (number * 2654435761 % 2**32) if math.prod(shape) > 9 else number
        mask = np.array([bits >> k & 1 for k in range(math.prod(shape))], bool).reshape(shape)
        if mask.any():
            assert cldice(np.pad(mask, 2), np.pad(mask, 2)) == 1


def test_the_table_scores_classes_or_regions_where_the_truth_counts():
    truth = torch.zeros(15, 40, dtype=torch.uint8)
    truth[3, 5:35], truth[10, 5:35] = 1, 2
    found = truth.clone()
    found[3, 20:], found[7, 2:38] = 0, 1
    valid = torch.ones(15, 40, dtype=torch.bool)
    valid[6:9] = False
    for groups, names in ((None, ("thin", "thick")), ({"all": [1, 2]}, ("all",))):
        own = groups or {"thin": [1], "thick": [2]}
        outside = OutsideMetrics(named_scores(["cldice"], own), classes=True)
        table = VolumeScores(("background", "thin", "thick"), outside=outside, regions=groups)
        table.update("a", found, truth, [1, 1], valid=valid)
        table.update("normal", found, torch.zeros_like(truth), [1, 1])
        scores = table.compute()
        inside = [(found * valid).numpy(), (truth * valid).numpy()]
        for name in names:
            expected = cldice(*(np.isin(each, own[name]) for each in inside))
            assert scores[f"cldice/{name}"] == pytest.approx(expected) and expected > 0.6
            assert (
                cldice(*(np.isin(each, own[name]) for each in (found, truth))) < expected or name == "thick"
            )


def test_an_unknown_score_is_refused():
    with pytest.raises(UserError, match=r"task\.scores=cl_dice: choose cldice"):
        named_scores(["cl_dice"], {"vessel": [1]})
    assert len(named_scores(["cldice", "cldice"], {"vessel": [1]})) == 1
