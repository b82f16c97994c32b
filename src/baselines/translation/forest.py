"""Random forest that predicts the target from the surroundings of a voxel, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from ganatomy.baselines.translation.arrays import checked, damaged
from ganatomy.baselines.translation.view import View, context_count, context_maps

TREES = 16
LEAF = 3
"""Voxels in a leaf, at least."""
TRIED = 12
"""Features that are tried at each split, at most; half of them if that is less."""
SLAB = 2**20
"""Voxels whose features are gathered at once, about."""
PART = 2**15
"""Voxels that walk through a tree at once: what they read stays in the processor's cache."""


@dataclass(frozen=True)
class Forest:
    """Random forest (Breiman, Machine Learning 45 (2001) 5) on the features of `context_maps`.

    Forests predict CT from MR in Huynh et al., IEEE TMI 35 (2016) 174, who predict patches and refine them by
    an auto-context; this one predicts voxels, without refinement.

    Attributes:
        left: Node that a voxel goes to if its feature is at most the threshold, [nodes]; -1 at a leaf.
        right: Node that it goes to otherwise.
        feature: Number of the feature; -1 at a leaf.
        threshold: Threshold.
        value: Prediction at a leaf, [nodes, K].
        roots: First node of each tree, [trees].
        width: Number of features, [1].
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    roots: np.ndarray
    width: np.ndarray

    @classmethod
    def fitted(cls, features: np.ndarray, targets: np.ndarray, seed: int) -> Forest:
        """Fit with scikit-learn on one thread.

        Args:
            features: Features of some voxels, [n, features].
            targets: Their targets, [n, K].
            seed: Seed of the samples and of the features tried.
        """
        tried = max(1, min(features.shape[1] // 2, TRIED))
        regressor = RandomForestRegressor(
            TREES, max_features=tried, min_samples_leaf=LEAF, n_jobs=1, random_state=seed % 2**32
        )
        one = targets.shape[1] == 1
        regressor.fit(features.astype(np.float32), targets[:, 0] if one else targets)
        return cls.of(regressor)

    @classmethod
    def of(cls, regressor: RandomForestRegressor) -> Forest:
        """Return the trees of a fitted forest of scikit-learn."""
        trees = [each.tree_ for each in regressor.estimators_]
        sizes = [tree.node_count for tree in trees]
        roots = np.cumsum([0, *sizes[:-1]])
        leaf = np.concatenate([tree.children_left for tree in trees]) < 0
        first = np.repeat(roots, sizes)
        left, right = (
            np.where(leaf, -1, first + np.concatenate([getattr(tree, f"children_{side}") for tree in trees]))
            for side in ("left", "right")
        )
        return cls(
            left.astype(np.int32),
            right.astype(np.int32),
            np.where(leaf, -1, np.concatenate([tree.feature for tree in trees])).astype(np.int16),
            np.concatenate([tree.threshold for tree in trees]),
            np.concatenate([tree.value[:, :, 0] for tree in trees]),
            roots.astype(np.int64),
            np.array([regressor.n_features_in_]),
        )

    def __call__(self, view: View) -> np.ndarray:
        """Return the translation, float64 [K, *spatial]."""
        shape = view.image.shape[1:]
        maps = list(context_maps(view))
        found = [self.predict(np.stack([m[part].ravel() for m in maps], 1)) for part in _slabs(shape)]
        return np.concatenate(found).T.reshape(-1, *shape)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the means over the trees, [n, K], for features [n, features] as `sklearn` would."""
        nodes = self._nodes
        found = [
            _sums(nodes, self.roots, part) for part in np.split(features, range(PART, len(features), PART))
        ]
        return np.concatenate(found) / len(self.roots)

    @cached_property
    def _nodes(self) -> _Nodes:
        children = np.stack([self.right, self.left], 1).astype(np.intp).ravel()
        return _Nodes(children, self.feature.astype(np.intp), self.threshold, self.value)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays from which `from_state` makes the same forest."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_state(cls, kept: Mapping[str, np.ndarray], channels: int, outputs: int, dims: int) -> Forest:
        """Return the forest that gave these arrays.

        Args:
            kept: Arrays of `state`.
            channels: Channels of an image.
            outputs: Channels of a target.
            dims: Spatial axes.

        Raises:
            UserError: The arrays do not fit, or a walk from a root would not end at a leaf.
        """
        nodes = int(np.size(kept.get("left", ())))
        whole = ("left", "right", "feature", "roots", "width")
        shapes: dict[str, tuple[int | None, ...]] = dict.fromkeys((*whole[:3], "threshold"), (nodes,))
        shapes |= {"value": (nodes, outputs), "roots": (None,), "width": (1,)}
        found = checked("forest", kept, shapes, whole)
        inner, places = found["feature"] >= 0, np.arange(nodes)
        for name in ("left", "right"):
            child = found[name][inner]
            if (child <= places[inner]).any() or (child >= nodes).any():
                raise damaged(f"forest/{name}", "leads to no later node")
        width = context_count(channels, dims)
        if found["width"][0] != width or found["feature"].max() >= width:
            raise damaged("forest/feature", f"is not of images of {channels} channels in {dims}D")
        if found["roots"].min() < 0 or found["roots"].max() >= nodes:
            raise damaged("forest/roots", "names nodes that are not there")
        return cls(**found)


class _Nodes(NamedTuple):
    """Nodes as the walk reads them: `children` has the right one of each node, then the left one."""

    children: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray


def _sums(nodes: _Nodes, roots: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return the sums over the trees, [n, K]."""
    count, width = features.shape
    values, total = features.ravel(), np.zeros((count, nodes.value.shape[1]))
    for root in roots:
        pending, node = np.arange(count), np.full(count, root, np.intp)
        while len(pending):
            feature = nodes.feature.take(node)
            if (leaf := feature < 0).any():
                total[pending[leaf]] += nodes.value.take(node[leaf], 0)
                inner = np.flatnonzero(~leaf)
                pending, node, feature = pending.take(inner), node.take(inner), feature.take(inner)
            low = values.take(pending * width + feature) <= nodes.threshold.take(node)
            node = nodes.children.take(2 * node + low)
    return total


def _slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of the first axis that hold about `SLAB` voxels."""
    step = max(1, SLAB // int(np.prod(shape[1:])))
    yield from (slice(first, first + step) for first in range(0, shape[0], step))
