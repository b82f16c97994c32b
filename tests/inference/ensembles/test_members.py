"""Members of detection and anomaly detection, whose soft predictions have several parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganatomy.inference.ensembles.members import Members, with_doubt
from ganatomy.networks.image_to_image.centernet import Maps
from ganatomy.tasks.anomaly.anomaly_map import Findings
from ganatomy.tasks.detection.views import SoftMaps, mirrored_back, mirrored_maps, softened
from ganatomy.tasks.shared.answers import Answer
from ganatomy.tasks.soft import SoftHooks

STRIDE = 4


def uneven(images: Tensor) -> Maps:
    """A network that knows left from right, and dark from bright."""
    cells = torch.nn.functional.avg_pool2d(images, STRIDE, ceil_mode=True)
    ramp = torch.linspace(0, 1, cells.shape[-1]).expand_as(cells)
    return Maps(cells + ramp, torch.cat([ramp, cells], 1).abs(), torch.cat([ramp, ramp**2], 1))


class Detector(SoftHooks):
    soft_kind, stride = "presence", STRIDE

    def soft_prediction(self, batch: Any) -> SoftMaps:
        return softened(uneven(batch["image"]))

    def mirrored_back(self, soft: SoftMaps, axes: Any) -> SoftMaps:
        return mirrored_back(soft, axes)


class Scorer(SoftHooks):
    soft_kind, doubted = "values", 1

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def soft_prediction(self, batch: Any) -> Findings:
        values = self.factor * batch["image"][:, 0]
        return Findings(batch["image"], values, values.flatten(1).mean(1))


@pytest.mark.parametrize("side", [16, 18])
def test_mirrored_boxes_are_the_average_of_the_task_itself(side: int) -> None:
    """Also where sides are no whole cells, and the image is padded before it is mirrored."""
    image = torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(0))
    members: Any = Members([Detector()], 2, mirror_axes=(0, 1))  # type: ignore[list-item]
    ours = members({"image": image, "case": ["a", "b"]})
    theirs = softened(mirrored_maps(uneven, image, STRIDE, [0, 1]))
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, atol=1e-6, rtol=1e-5)
    assert members.averaging.maps()["variance"].max() > 0


def test_the_map_of_boxes_is_drawn_in_pixels() -> None:
    task: Any = Detector()
    task.members = Members([task], 2)
    batch = {
        "image": torch.randn(1, 1, 18, 15),
        "case": ["a"],
        "scale": torch.ones(1, 1),
        "offset": torch.ones(1, 1),
    }
    soft = task.averaged(batch)
    answer = with_doubt(task, batch, Answer())
    drawn = answer.maps["entropy"]
    assert drawn.shape == (1, 18, 15) and set(answer.values) == {"entropy"}
    p = soft.presence[0, 0, 1, 2].item()
    assert drawn[0, 5, 10].item() == pytest.approx(-p * np.log(p) - (1 - p) * np.log(1 - p), abs=1e-5)


def test_anomaly_detection_doubts_its_map_and_its_score() -> None:
    task: Any = Scorer(1.0)
    task.members = Members([task, Scorer(2.0), Scorer(6.0)], 2)  # type: ignore[list-item]
    image = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    batch = {"image": image, "case": ["a"]}
    found = task.averaged(batch)
    torch.testing.assert_close(found.map, 3 * image[:, 0])
    answer = with_doubt(task, batch, Answer(role="map", values={"score": 1.0}))
    spread = np.std([1.0, 2.0, 6.0])
    torch.testing.assert_close(answer.maps["deviation"][0], float(spread) * image[0, 0])
    assert answer.values["score_deviation"] == pytest.approx(spread * image.mean().item(), rel=1e-5)
    assert answer.values["score"] == 1.0


def test_a_task_that_answers_alone_is_not_doubted() -> None:
    answer = Answer(values={"boxes": 1.0})
    assert with_doubt(Detector(), {"image": torch.ones(1, 1, 8, 8), "case": ["a"]}, answer) is answer  # type: ignore[arg-type]
