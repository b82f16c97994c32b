"""Instance maps as they are scored and written."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganatomy.data.records import Batch
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

    On the grid of the file, if files are scored, as the file of a prediction holds it.

    Args:
        batch: Evaluation batch.
        row: Row of the image.
        files: Files of the test cases; None scores on the network's grid.
        numbers: Found instance map [*spatial] on the network's grid.
    """
    if files is None:
        truth = np.maximum(batch["instances"][row, 0].cpu().numpy(), 0)
        return truth, batch["classes"][row].cpu().numpy(), numbers.cpu().numpy()
    case = files.truth(batch["case"][row])
    found = files.classes(batch, [row], torch.as_tensor(numbers)[None])[0]
    return case["instances"][0], case["classes"], found
