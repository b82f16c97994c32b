"""Greedy matching of detections to true boxes, as in COCO."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return intersection over union [N, M] of boxes [N, 2*dims] and [M, 2*dims] (lower, upper corner)."""
    dims = boxes.shape[1] // 2
    boxes, others = boxes[:, None].astype(np.float64), others[None].astype(np.float64)
    low, high = np.maximum(boxes, others)[..., :dims], np.minimum(boxes, others)[..., dims:]
    common = np.clip(high - low, 0, None).prod(-1)
    volumes = [np.clip(b[..., dims:] - b[..., :dims], 0, None).prod(-1) for b in (boxes, others)]
    union = volumes[0] + volumes[1] - common
    return np.asarray(np.where(union > 0, common / np.where(union > 0, union, 1), 0.0))


def match(boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray, least: Sequence[float]) -> np.ndarray:
    """Match the detections of one class in one image.

    The best score chooses first and takes the free true box of largest IoU, if that is enough; each true box
    can be taken once. Equal scores choose in the given order.

    Args:
        boxes: Detected boxes [N, 2*dims].
        scores: Their scores [N].
        truth: True boxes [M, 2*dims].
        least: Thresholds of the IoU, [T].

    Returns:
        True for hits, [T, N].
    """
    wanted = np.asarray(least)[:, None] - 1e-10
    hits = np.zeros((len(wanted), len(boxes)), bool)
    if not len(boxes) or not len(truth):
        return hits
    overlaps = iou(boxes, truth)
    free = np.ones((len(wanted), len(truth)), bool)
    rows = np.arange(len(wanted))
    order = np.argsort(-scores, kind="stable")
    for n in order[overlaps.max(1)[order] >= wanted.min()]:
        usable = np.where(free & (overlaps[n] >= wanted), overlaps[n], -1.0)
        # Of equal overlaps the later, as in COCO.
        taken = usable.shape[1] - 1 - usable[:, ::-1].argmax(1)
        hits[:, n] = usable[rows, taken] >= 0
        free[rows[hits[:, n]], taken[hits[:, n]]] = False
    return hits
