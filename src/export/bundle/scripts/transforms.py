"""The way of an image to the network, and of the answer back to the grid of its file, as in training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from PIL import Image

from ganatomy.data.transforms.intensity import column
from ganatomy.data.transforms.prepare import Preparation, grid_of, restore

VOLUMES = (".nii", ".nii.gz")
"""Endings of files whose axes and affine are those of NIfTI; all others are pictures."""


class Prepared(Transform):
    """Bring an image onto the network's grid and into its intensities.

    A volume for a 2D network becomes a stack of slices [S, C, H, W].

    Args:
        spatial_dims: Spatial axes of the network.
        whole: Crop nothing.
        settings: Further arguments of `Preparation`.
    """

    def __init__(self, spatial_dims: int, whole: bool, settings: Mapping[str, Any]) -> None:
        lists = {key: tuple(value) for key, value in settings.items() if key in ("spacing", "size")
                 and isinstance(value, list)}  # fmt: skip
        self.preparation = Preparation(spatial_dims, **{**settings, **lists})
        self.whole = whole

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data with `image` prepared, and with `file`, what the way back needs."""
        image = data["image"]
        path = str(image.meta["filename_or_obj"])
        is_volume = path.lower().endswith(VOLUMES)
        array = np.asarray(image.as_tensor())
        plane = is_volume and array.ndim == 3
        if plane:
            array = array[..., None]
        elif not is_volume:
            array = array.swapaxes(1, 2)
        affine = np.asarray(image.affine, np.float64) if is_volume else np.eye(4)
        case = {"image": array, "affine": affine}
        case |= {"spacing": grid_of(case).spacing}
        ready = self.preparation(case, self.whole)
        file = {key: value for key, value in ready.items() if key != "image"}
        more = {"path": path, "plane": plane, "dims": self.preparation.spatial_dims}
        return {**data, "image": torch.from_numpy(ready["image"]), "file": {**file, **more}}


class OnFile(Transform):
    """Bring an answer of the network back to the grid of its file.

    Args:
        kind: `label` for class numbers, `image` for intensities, `map` for values of their own.
        values: Values of the classes in the file, in the order of the network's channels.
        target: Type and scaling of outputs; their units too, if it has `offset` and `scale`. None for those
            of the input.
    """

    def __init__(
        self, kind: str, values: list[int] | None = None, target: Mapping[str, Any] | None = None
    ) -> None:
        self.kind, self.values, self.target = kind, values, target

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the data with `pred` as a MetaTensor [C, *spatial] on the file's grid."""
        answer, file = np.asarray(data["pred"]), data["file"]
        if self.kind == "label":
            assert self.values is not None
            found = np.array(self.values)[restore(answer, file, order=0)].astype(np.float32)
        else:
            units = answer if self.kind == "map" else self._in_units(answer, file)
            found = restore(units, file, fill=float(units.min()))
            found = found if self.kind == "map" else self._stored(found, Path(file["path"]))
        meta = {"filename_or_obj": file["path"], "affine": file["input_affine"]}
        return {**data, "pred": MetaTensor(torch.from_numpy(found.astype(np.float32)), meta=meta)}

    def _in_units(self, answer: np.ndarray, file: Mapping[str, Any]) -> np.ndarray:
        """Return normalised intensities [C, *spatial] in the units of the file, or of the target."""
        own = self.target if self.target and "scale" in self.target else file
        offset, scale = (  # in float32, as batches hold them: else numbers halfway are rounded elsewhere
            np.asarray(own[key], np.float32).astype(np.float64) for key in ("offset", "scale")
        )
        dims = answer.ndim - 1
        values: np.ndarray = answer.astype(np.float64) * column(scale, dims) + column(offset, dims)
        return values

    def _stored(self, values: np.ndarray, path: Path) -> np.ndarray:
        """Return values rounded and clipped as the type of the file, or of the target, demands."""
        dtype, slope, inter = _type(path) if self.target is None else (
            np.dtype(self.target["dtype"]), self.target["slope"], self.target["inter"])  # fmt: skip
        if dtype.kind == "f":
            return values
        limits = np.iinfo(dtype)
        numbers = np.clip(np.rint((values - inter) / slope), limits.min, limits.max)
        found: np.ndarray = numbers * slope + inter
        return found


def _type(path: Path) -> tuple[np.dtype[Any], float, float]:
    """Return type, slope and intercept of the numbers in a file."""
    if not str(path).lower().endswith(VOLUMES):
        return np.asarray(Image.open(path)).dtype, 1.0, 0.0
    image: Any = nib.load(path)
    return np.dtype(image.get_data_dtype()), float(image.dataobj.slope), float(image.dataobj.inter)


class Saved(Transform):
    """Write `pred` as a file beside others of its kind: NIfTI, PNG or NumPy.

    Args:
        output_dir: Folder of the files.
        dtype: Type of the numbers in NIfTI files.
        pictures: Type of the numbers in pictures; None for that of the input.
    """

    def __init__(self, output_dir: str, dtype: str, pictures: str | None = None) -> None:
        self.folder, self.dtype, self.pictures = Path(output_dir), dtype, pictures

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Write one answer, and return the data."""
        path, pred = str(data["file"]["path"]), data["pred"]
        numbers = np.asarray(pred.as_tensor())
        if path.lower().endswith(VOLUMES):
            numbers = numbers[..., 0] if data["file"]["plane"] else numbers
            voxels = (numbers[0] if len(numbers) == 1 else np.moveaxis(numbers, 0, -1)).astype(self.dtype)
            volume: Any = nib.Nifti1Image(voxels, pred.affine.numpy())  # type: ignore[no-untyped-call]
            self.folder.mkdir(parents=True, exist_ok=True)
            volume.to_filename(self.folder / f"{Path(path).name.split('.')[0]}_pred.nii.gz")
            return dict(data)
        kept = _type(Path(path))[0] if self.pictures is None else np.dtype(self.pictures)
        picture = numbers[0] if len(numbers) == 1 else np.moveaxis(numbers, 0, -1)
        self.folder.mkdir(parents=True, exist_ok=True)
        name = self.folder / f"{Path(path).stem}_pred"
        if kept.kind == "u" and (kept.itemsize == 1 or len(numbers) == 1):
            Image.fromarray(picture.astype(kept)).save(f"{name}.png")
        else:
            np.save(f"{name}.npy", picture)
        return dict(data)
