"""A run that reads translated images: planted lesions are kept, lost and invented."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganatomy.tasks.detection.centernet_decoding import Found
from ganatomy.tasks.translation.scores.reader import FLOOR, TargetReader

CLASSES = ("background", "tissue", "lesion")
SIDE = 24


class Segmenter(nn.Module):
    """Reads its classes off the grey values."""

    makes_label_maps = True

    def predict(self, batch: dict[str, Any]) -> Tensor:
        return batch["image"].round().long().clamp(0, 2)


class Detector(nn.Module):
    """Finds one box around all that is bright, and one that it is not sure of."""

    makes_label_maps, threshold = False, 0.5

    def predict(self, batch: dict[str, Any]) -> dict[str, Any]:
        found = []
        for image in batch["image"]:
            places = (image[0] > 1.5).nonzero().float()
            boxes = [torch.cat([places.amin(0), places.amax(0) + 1])] if len(places) else []
            boxes.append(torch.tensor([0.0, 0, 4, 4]))
            scores = torch.tensor([0.9] * (len(boxes) - 1) + [0.4])
            found.append(Found(torch.stack(boxes), scores, torch.zeros(len(boxes), dtype=torch.long)))
        return {"found": found}


def label_map(*corners: tuple[int, int]) -> Tensor:
    """Label map [1, 1, SIDE, SIDE]: tissue, with lesions of 4x4."""
    label = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.long)
    label[..., 2:-2, 2:-2] = 1
    for row, column in corners:
        label[..., row : row + 4, column : column + 4] = 2
    return label


def batch_of(case: str, label: Tensor, **more: Any) -> dict[str, Any]:
    return {
        "case": [case],
        "image": torch.zeros(1, 1, SIDE, SIDE),
        "label": label,
        "spacing": torch.ones(1, 2),
        **more,
    }


def test_segmentations_are_compared_with_the_targets_and_with_the_labels() -> None:
    reader = TargetReader(Segmenter(), CLASSES, "lesion", CLASSES)  # type: ignore[arg-type]
    reader.begin(("test", "identity"))
    both, one, none = (6, 6), (14, 14), ()
    truth = label_map(both, one)
    ours, invented = label_map(both), label_map(both, one, (6, 15))
    part = batch_of("a", truth, target=truth.float())
    reader.update({"test": ours.float(), "identity": invented.float()}, part, [0])
    healthy = label_map(*none)
    reader.update(
        {"test": label_map(one).float(), "identity": healthy.float()},
        batch_of("b", healthy, target=healthy.float()),
        [0],
    )
    found, identity, floor = (reader.scores(name) for name in ("test", "identity", FLOOR))
    assert found["lesion_sensitivity"] == 0.5 and found["false_lesions"] == 0.5
    assert found["false_lesions_healthy"] == 1 and identity["false_lesions_healthy"] == 0
    assert identity["lesion_sensitivity"] == 1 and identity["false_lesions"] == 0.5
    assert floor["lesion_sensitivity"] == 1 and floor["false_lesions"] == 0
    assert floor["evaluator_dice_label"] == 1 and "evaluator_dice" not in floor
    overlap = 2 * 16 / (16 + 32)  # one of two lesions, of 16 voxels each; none in the healthy one
    assert found["evaluator_dice/lesion"] == pytest.approx(overlap / 2, abs=1e-6)
    assert found["evaluator_dice/lesion"] == found["evaluator_dice_label/lesion"]
    rows = reader.with_scores([{"case": "a", "mae": 1.0}, {"case": "b", "mae": 2.0}], "test")
    assert rows[0]["lesion_sensitivity"] == 0.5 and rows[0]["mae"] == 1.0
    assert math.isnan(rows[1]["lesion_sensitivity"]) and rows[1]["false_lesions"] == 1
    reader.begin(("test", "identity"))
    assert reader.scores("test") == {}, "begun anew"


def test_without_pairs_lesions_and_labels_are_compared_alone() -> None:
    reader = TargetReader(Segmenter(), CLASSES, "lesion", CLASSES)  # type: ignore[arg-type]
    reader.begin(("test",))
    truth = label_map((6, 6))
    reader.update({"test": truth.float()}, batch_of("a", truth), [0])
    found = reader.scores("test")
    assert found["evaluator_dice_label"] == 1 and found["lesion_sensitivity"] == 1
    assert not any(name.startswith(("evaluator_dice/", "evaluator_hd95/")) for name in found)
    assert reader.scores(FLOOR) == {}


def test_other_classes_leave_the_labels_out() -> None:
    """Only lesions have a name in both; without them nothing is known of lesions."""
    reader = TargetReader(Segmenter(), CLASSES, "lesion", ("background", "lesion"))  # type: ignore[arg-type]
    reader.begin(("test",))
    label = (label_map((6, 6)) == 2).long()
    target = label_map((6, 6)).float()
    reader.update({"test": target}, batch_of("a", label, target=target), [0])
    found = reader.scores("test")
    assert found["lesion_sensitivity"] == 1 and "evaluator_dice_label" not in found
    none = TargetReader(Segmenter(), CLASSES, None, CLASSES)  # type: ignore[arg-type]
    none.begin(("test",))
    none.update({"test": target}, batch_of("a", label_map((6, 6)), target=target), [0])
    assert "lesion_sensitivity" not in none.scores("test")


def test_slices_are_one_volume() -> None:
    """A lesion over three slices is one lesion, and lesions of one place in two volumes are two."""
    reader = TargetReader(Segmenter(), CLASSES, "lesion", CLASSES)  # type: ignore[arg-type]
    reader.begin(("test",))
    label = label_map((6, 6)).repeat(3, 1, 1, 1)
    batch = batch_of("a", label, slice=torch.arange(3), spacing=torch.ones(3, 3)) | {"case": ["a"] * 3}
    batch["image"] = torch.zeros(3, 1, SIDE, SIDE)
    seen = label.clone()
    seen[1:] = label_map()
    reader.update({"test": seen.float()}, batch, [0, 1, 2])
    assert reader.scores("test")["lesion_sensitivity"] == 1, "a third of its voxels"
    assert len(reader.lesions["test"].per_case()) == 1


@pytest.mark.parametrize("with_boxes", [True, False])
def test_a_detection_finds_boxes(with_boxes: bool) -> None:
    """True boxes are those of the data, or lie around the lesions of the label maps."""
    reader = TargetReader(
        Detector(),  # type: ignore[arg-type]
        ("lesion",),
        "lesion",
        () if with_boxes else CLASSES,
        ("lesion",) if with_boxes else (),
    )
    reader.begin(("test",))
    truth = label_map((6, 6))
    boxes = {"boxes": [torch.tensor([[6.0, 6, 10, 10]])], "classes": [torch.zeros(1, dtype=torch.long)]}
    batch = batch_of("a", truth) | (boxes if with_boxes else {})
    reader.update({"test": label_map((6, 6)).float()}, batch, [0])
    reader.update({"test": label_map((15, 15)).float()}, batch | {"case": ["b"]}, [0])
    found = reader.scores("test")
    assert found["lesion_sensitivity"] == 0.5 and found["false_lesions"] == 0.5
    assert not any(name.startswith("evaluator") for name in found)
    assert np.isnan(found["false_lesions_healthy"])


def test_masks_are_compared_by_their_voxels() -> None:
    """A finding in the middle of a ring has nearly the ring's box, and none of its voxels."""
    reader = TargetReader(Segmenter(), CLASSES, "lesion", CLASSES)  # type: ignore[arg-type]
    reader.begin(("test",))
    ring, middle = label_map(), label_map()
    ring[..., 6:18, 6:18] = 2
    ring[..., 7:17, 7:17] = 1
    middle[..., 7:17, 7:17] = 2
    reader.update({"test": middle.float()}, batch_of("a", ring), [0])
    found = reader.scores("test")
    assert found["lesion_sensitivity"] == 0 and found["false_lesions"] == 1
