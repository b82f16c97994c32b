"""Scores of a batch of label maps, and of the baselines beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganatomy.baselines.segmentation import Baselines
from ganatomy.data.records import Batch
from ganatomy.tasks.shared.as_written import Originals
from ganatomy.tasks.shared.scored import scored_labels, split_truth
from ganatomy.tasks.shared.volumes import rows_by_case, small, stack_slices


def score_batch(
    tables: Mapping[str, Any],
    stage: str,
    batch: Batch,
    prediction: Tensor,
    files: Originals | None,
    baselines: Baselines | None,
) -> None:
    """Add the cases of a batch to the table of a stage, and to those of the baselines.

    Args:
        tables: Score tables by name.
        stage: Name of the table of the predictions.
        batch: Whole cases; with `peak` [B] if there is a gate.
        prediction: Label maps [B, 1, *spatial].
        files: Files of the test cases; None scores on the network's grid.
        baselines: Baselines to be scored beside them; None for none.
    """
    for case, rows in rows_by_case(batch):
        label, known, spacing = scored_labels(batch, rows, files)
        truth, valid = split_truth(known)
        peak = float(batch["peak"][rows].amax()) if "peak" in batch else float("nan")
        tables[stage].update(
            case, label(small(stack_slices(batch, prediction, rows))), truth, spacing, peak, valid
        )
        if baselines is None:
            continue
        image = stack_slices(batch, batch["image"], rows).float().mean(0).cpu().numpy()
        region = stack_slices(batch, batch["mask"], rows)[0].bool().cpu().numpy() if "mask" in batch else None
        for name, guess in baselines(image, region):
            own = small(torch.from_numpy(guess)).to(prediction.device)[None]
            tables[name].update(case, label(own), truth, spacing, valid=valid)
