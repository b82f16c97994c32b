"""Games that may compute in bfloat16 unasked: those that scored as well with it in experiments/precision*."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganatomy.config.schema import Config


NETS, OURS = "monai.networks.nets", "ganatomy.networks"
AS_GOOD: dict[str, frozenset[str]] = {
    "ganatomy.tasks.segmentation.SegmentationTask": frozenset({f"{NETS}.UNet", f"{NETS}.PatchDiscriminator"}),
    "ganatomy.tasks.enhancement.EnhancementTask": frozenset(
        {f"{OURS}.image_to_image.unet.UNet", f"{OURS}.discriminators.unet.UNetDiscriminator"}
    ),
    "ganatomy.tasks.detection.DetectionTask": frozenset(
        {f"{OURS}.image_to_image.centernet.CenterNet", f"{NETS}.UNet", f"{NETS}.PatchDiscriminator"}
    ),
    "ganatomy.tasks.anomaly.AnomalyTask": frozenset(
        {f"{OURS}.autoencoders.fanogan.FAnoGan", f"{OURS}.noise_to_image.dcgan.DcganDiscriminator"}
    ),
    "ganatomy.tasks.synthesis.SynthesisTask": frozenset(
        {
            f"{OURS}.noise_to_image.dcgan.DcganGenerator",
            f"{OURS}.noise_to_image.dcgan.DcganDiscriminator",
        }
    ),
    "ganatomy.tasks.translation.TranslationTask": frozenset(
        {f"{OURS}.image_to_image.unet.UNet", f"{OURS}.discriminators.unet.UNetDiscriminator"}
    ),
}
"""Task -> classes of the networks that were compared; a test holds this table against the results."""


def reason_against(cfg: Config) -> str:
    """Return why this game computes in float32 unless told otherwise; empty where bfloat16 was as good."""
    compared = AS_GOOD.get(cfg.task.target, frozenset())
    used = classes(cfg) if compared else [cfg.task.target]
    strange = next((name for name in used if name not in compared), "")
    return f"bfloat16 was not compared for {strange.rpartition('.')[2]}" if strange else ""


def classes(cfg: Config) -> list[str]:
    """Return the classes of both players, their parts included."""
    return [*_classes(cfg.model.generator), *_classes(cfg.model.discriminator)]


def _classes(node: object) -> list[str]:
    """Return the classes that build a player, its parts included."""
    if not isinstance(node, dict):
        return []
    own = [str(node["_target_"])] if "_target_" in node else []
    return own + [name for part in node.values() for name in _classes(part)]
