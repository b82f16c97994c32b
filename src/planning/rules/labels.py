"""Rare classes, thin structures and crowded boxes: weights, sampling, losses and limits of detection."""

from __future__ import annotations

from ganatomy.baselines.detection import MOST
from ganatomy.planning.draft import Draft

RARE_VOXELS, RARE_CASES = 0.05, 0.1
"""A class is rare with so few voxels beside the commonest labelled one, or in so few of the cases."""
TINY = 0.01
"""Fraction of labelled voxels below which patches seek them more often."""


def choose(draft: Draft) -> None:
    """Choose what classes and boxes need."""
    if draft.task == "segmentation":
        _classes(draft)
    elif draft.task == "detection":
        _boxes(draft)


def _classes(draft: Draft) -> None:
    data = draft.data
    labelled = {name: share for name in data.classes[1:] if (share := data.voxels.get(name, 0.0))}
    if len(labelled) > 1 and min(labelled.values()) < RARE_VOXELS * max(labelled.values()):
        rarest = min(labelled, key=lambda name: labelled[name])
        share = labelled[rarest] / max(labelled.values())
        draft.put(
            "task.class_weights", "auto", f"{rarest} has {share:.1%} of the voxels of the commonest class"
        )
    seldom = [name for name in labelled if data.holds.get(name, 1.0) < RARE_CASES]
    if seldom:
        why = f"{', '.join(seldom)}: in fewer than {RARE_CASES:.0%} of the cases"
        draft.put("data.sampling", "classes", why)
    if draft.get("data.patch") is not None and 0 < sum(labelled.values()) < TINY:
        why = f"labels fill {sum(labelled.values()):.2%} of the voxels: two patches of three show them"
        draft.put("data.foreground", 0.67, why)


def _boxes(draft: Draft) -> None:
    most = draft.data.boxes[1]
    limit = max(draft.get("task.max_detections") or MOST, -(-3 * most // 2 // 50) * 50)
    draft.put("task.max_detections", limit, f"images hold up to {most} boxes")
    crowding = draft.data.crowding
    overlap = 0.7 if crowding >= 0.4 else 0.6 if crowding >= 0.3 else 0.5
    why = f"true boxes of a class overlap with an IoU of up to {crowding:.2f} (99th percentile)"
    draft.put("task.nms_iou", overlap, why)
