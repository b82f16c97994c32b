"""Imported by the process from which `tests.kills` forks: all that a run imports, and nothing trained."""

import hydra
import monai.losses
import monai.networks.nets
import monai.transforms
import pytorch_lightning
import torch
import wandb

import ganatomy.train
import ganatomy.training.build
import ganatomy.training.preflight
import ganatomy.training.pretrained
import ganatomy.training.results
import ganatomy.training.trainer

__all__ = ["ganatomy", "hydra", "monai", "pytorch_lightning", "torch", "wandb"]
