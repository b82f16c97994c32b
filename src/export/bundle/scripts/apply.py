"""Applies a bundle to a folder of images, one after another, or draws synthetic ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from torch import Tensor, nn

from ganatomy.errors import UserError

ENDINGS = (".nii", ".nii.gz", ".png", ".jpg", ".jpeg", ".bmp")
Step = Callable[[Mapping[str, Any]], dict[str, Any]]


class Application:
    """A network with what comes before and after it.

    Args:
        folder: Folder of the images, or one of them.
        network: The network.
        preprocessing: From `{"image": path}` to the prepared image.
        inferer: From prepared images and the network to its answer.
        postprocessing: From the answer to files.
        device: Where the network runs.
    """

    def __init__(
        self,
        folder: str,
        network: nn.Module,
        preprocessing: Step,
        inferer: Callable[[Tensor, nn.Module], Tensor],
        postprocessing: Step,
        device: torch.device,
    ) -> None:
        self.folder, self.network, self.device = Path(folder), network.to(device).eval(), device
        self.preprocessing, self.inferer, self.postprocessing = preprocessing, inferer, postprocessing

    def run(self) -> None:
        """Apply the network to every image, and say how far it is.

        Raises:
            UserError: There is no image, or some could not be done; the others are.
        """
        paths = [self.folder] if self.folder.is_file() else sorted(self.folder.rglob("*"))
        images = [path for path in paths if path.name.lower().endswith(ENDINGS)]
        if not images:
            raise UserError(f"dataset_dir: {self.folder} holds no image ({', '.join(ENDINGS)})")
        faults = []
        for number, path in enumerate(images, start=1):
            try:
                self.one(path)
            except Exception as error:  # whatever is wrong with one file, the others go on
                faults.append(f"{path.name}: {' '.join(str(_first(error)).split())[:200]}")
            sys.stderr.write(f"\r{number} of {len(images)} images")
        sys.stderr.write("\n")
        if faults:
            raise UserError(f"{len(faults)} of {len(images)} images could not be done\n" + "\n".join(faults))

    def one(self, path: Path) -> dict[str, Any]:
        """Apply the network to one image file."""
        data = self.preprocessing({"image": str(path)})
        image = data["image"]
        stack = image.dim() == data["file"]["dims"] + 2
        rows = (image if stack else image[None]).to(self.device)
        data["pred"] = self.inferer(rows, self.network).float().cpu()
        return self.postprocessing(data)


def _first(error: BaseException) -> BaseException:
    """Return the error that led to this one: MONAI says no more than which transform failed."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


class Drawing:
    """A generator that draws images from seeded noise into NIfTI files.

    Args:
        network: The generator.
        latent: Length of the noise.
        count: Number of images.
        seed: Seed of the first image; each further one has the next.
        output_dir: Folder of the files.
        device: Where the generator runs.
        kind: Number of the class that is drawn, of a generator that is conditioned on classes.
        offset: Offset of the images' units.
        scale: Scale of the images' units.
        affine: Voxel sizes and directions in mm, [4, 4]; None for 1 mm.
    """

    def __init__(
        self,
        network: nn.Module,
        latent: int,
        count: int,
        seed: int,
        output_dir: str,
        device: torch.device,
        kind: int | None = None,
        offset: float = 0.0,
        scale: float = 1.0,
        affine: list[list[float]] | None = None,
    ) -> None:
        self.network, self.latent, self.count, self.seed = network.to(device).eval(), latent, count, seed
        self.folder, self.device, self.kind = Path(output_dir), device, kind
        self.offset, self.scale = offset, scale
        self.affine = np.eye(4) if affine is None else np.array(affine)

    @torch.no_grad()
    def __call__(self, seed: int) -> Tensor:
        """Return the image [C, *spatial] of a seed."""
        noise = torch.randn(1, self.latent, generator=torch.Generator().manual_seed(seed)).to(self.device)
        kind = () if self.kind is None else (torch.tensor([self.kind], device=self.device),)
        found: Tensor = self.network(noise, *kind)[0].float().cpu() * self.scale + self.offset
        return found

    def run(self) -> None:
        """Draw all images, and say how far it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for seed in range(self.seed, self.seed + self.count):
            image = np.moveaxis(self(seed).numpy(), 0, -1)
            numbers = image[..., 0] if image.shape[-1] == 1 else image
            file: Any = nib.Nifti1Image(numbers, self.affine)  # type: ignore[no-untyped-call]
            file.to_filename(self.folder / f"synthetic_{seed:06d}.nii.gz")
            sys.stderr.write(f"\r{seed - self.seed + 1} of {self.count} images")
        sys.stderr.write("\n")
