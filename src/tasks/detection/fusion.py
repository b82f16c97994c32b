"""Weighted boxes fusion: boxes of several views of an image, averaged box by box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ganatomy.metrics.detection.matching import iou
from ganatomy.tasks.detection.centernet_decoding import Found


def fused(views: Sequence[Found], least: float, max_detections: int) -> Found:
    """Fuse the boxes that several views of one image tell (Solovyev et al. 2021, arXiv 1910.13302).

    Boxes of a class are taken from the highest score down. Each joins the group whose mean box it overlaps
    most, by an IoU above `least`, or begins one. A group's box is the mean of its boxes weighted by their
    scores; its score is the mean score, times min(n, V)/V for n boxes of V views: a box that one view alone
    tells counts less.

    Args:
        views: Boxes of each view.
        least: IoU above which boxes are one object.
        max_detections: Most boxes that are returned, best first.
    """
    boxes, scores, classes = (torch.cat(column) for column in zip(*views, strict=True))
    device, kind = boxes.device, boxes.dtype
    corners, rates = boxes.double().cpu().numpy(), scores.double().cpu().numpy()
    kinds = classes.cpu().numpy()
    order = np.argsort(-rates, kind="stable")
    found = []
    for label in np.unique(kinds):
        own = order[kinds[order] == label]
        means, rate, count = groups(corners[own], rates[own], least)
        found.append((means, rate / count * np.minimum(count, len(views)) / len(views), label))
    if not found:
        return Found(boxes, scores, classes)
    score = np.concatenate([rate for _, rate, _ in found])
    label = np.concatenate([np.full(len(rate), label) for _, rate, label in found])
    best = np.argsort(-score, kind="stable")[:max_detections]
    means = np.concatenate([mean for mean, *_ in found])[best]
    return Found(
        torch.from_numpy(means).to(device, kind),
        torch.from_numpy(score[best]).to(device, scores.dtype),
        torch.from_numpy(label[best]).to(device, classes.dtype),
    )


def groups(boxes: np.ndarray, scores: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean boxes [G, 2*dims], sums of scores [G] and numbers of boxes [G] of the groups of a class.

    Args:
        boxes: Boxes [N, 2*dims], best first.
        scores: Their scores [N], above 0.
        least: IoU above which a box joins a group.
    """
    sums, rates, counts = np.zeros_like(boxes), np.zeros(len(boxes)), np.zeros(len(boxes), int)
    means, made = np.zeros_like(boxes), 0
    for box, score in zip(boxes, scores, strict=True):
        overlaps = iou(box[None], means[:made])[0]
        group = int(overlaps.argmax()) if made else 0
        if not made or overlaps[group] <= least:
            group, made = made, made + 1
        sums[group] += score * box
        rates[group] += score
        counts[group] += 1
        means[group] = sums[group] / rates[group]
    return means[:made], rates[:made], counts[:made]
