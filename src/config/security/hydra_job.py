"""Variables that Hydra would set for a job."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig

from ganatomy.errors import UserError


def refuse_variables() -> None:
    """Refuse `hydra.job.env_set` and `env_copy`: what a process may name and load comes from the shell."""
    job = HydraConfig.get().job
    for key in ("env_set", "env_copy"):
        if getattr(job, key):
            raise UserError(
                f"hydra.job.{key}: sets variables of the environment, which only the shell does; type "
                "NAME=VALUE before the command"
            )
