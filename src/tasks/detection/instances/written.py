"""Instance maps as they are scored and written."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch
from ganatomy.data.transforms.instances import NO_BOX
from ganatomy.tasks.shared.as_written import Originals


def kept_numbers(numbers: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return an instance map of the boxes that are kept, numbered by their places among these.

    Args:
        numbers: [*spatial], i + 1 in the object of box i.
        kept: [N] bool.
    """
    table = np.zeros(len(kept) + 1, np.int32)
    table[1:][kept] = np.arange(1, int(kept.sum()) + 1)
    found: np.ndarray = table[numbers]
    return found


def scored_maps(
    batch: Batch, row: int, files: Originals | None, numbers: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the true instance map of an image, the classes of its objects, and the found instance map.

    On the grid of the file, if files are scored, as the file of a prediction holds it. Voxels of which
    nothing is known count in neither map.

    Args:
        batch: Evaluation batch.
        row: Row of the image.
        files: Files of the test cases; None scores on the network's grid.
        numbers: Found instance map [*spatial] on the network's grid.
    """
    if files is None:
        truth, classes = batch["instances"][row, 0].cpu().numpy(), batch["classes"][row].cpu().numpy()
        found = numbers.cpu().numpy()
    else:
        case = files.truth(batch["case"][row])
        truth, classes = case["instances"][0], case["classes"]
        found = files.classes(batch, [row], torch.as_tensor(numbers)[None])[0]
    known = truth != NO_BOX
    return np.where(known, truth, 0), classes, np.where(known, found, 0)
