"""Boundary loss: predictions weighed by their distance from the true boundary."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ganatomy.tasks.segmentation.losses.maps import Maps, mean_of_voxels


def boundary_loss(maps: Maps) -> Tensor:
    """Return the mean over voxels and structures of the probability times the signed distance.

    Kervadec et al., arXiv 1812.07032, eq. 5; distances in voxels, without the background. It is negative for
    a good prediction, and says nothing of a structure that is absent from an image: use it beside another
    loss. Its own distances, since MONAI has this loss from 1.6 on only.

    Args:
        maps: Logits and truth.
    """
    (probabilities,) = maps.foreground(maps.probabilities)
    (distances,) = maps.foreground(signed_distances(maps.truth))
    values = probabilities * distances
    weights = None if maps.counted is None else maps.counted.expand_as(values)
    if maps.class_weights is not None:
        shape = (1, -1, *[1] * (values.dim() - 2))
        (own,) = maps.foreground(maps.class_weights.to(values).reshape(shape))
        weights = own.expand_as(values) if weights is None else own * weights
    return mean_of_voxels(values, weights)


@torch.no_grad()
def signed_distances(truth: Tensor) -> Tensor:
    """Return distances [B, K, *spatial] to the boundary in voxels: 1 beside it outside, 0 beside it inside.

    Negative inside; 0 everywhere for a structure that is absent, or fills the image. As in the authors' code.

    Args:
        truth: Structures [B, K, *spatial], 0 or 1.
    """
    masks = truth.cpu().numpy() > 0.5
    found = np.zeros(masks.shape, np.float32)
    for place in np.ndindex(masks.shape[:2]):
        inside = masks[place]
        if inside.any() and not inside.all():
            outer, inner = distance_transform_edt(~inside), distance_transform_edt(inside)
            found[place] = np.where(inside, 1 - inner, outer)
    return torch.from_numpy(found).to(truth.device)
