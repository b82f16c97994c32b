"""Interpolations that the files of conf/ use."""

from __future__ import annotations

from omegaconf import OmegaConf

from ganatomy.config.mistakes.overrides import BASES
from ganatomy.config.user_files import register_source
from ganatomy.invocation import typed


def register_resolvers() -> None:
    """Register the interpolations of the files in conf/.

    `${run_directory:resume,new}`: a resumed run goes on in its own directory. `${choices:}`: the groups that
    --help lists. `${command:train}`: how the user calls that command.
    """
    OmegaConf.register_new_resolver("command", typed, replace=True)
    OmegaConf.register_new_resolver("run_directory", lambda resume, new: resume or new, replace=True)
    OmegaConf.register_new_resolver("choices", _choices, replace=True)
    register_source()


def _choices() -> str:
    """Return a line for each group with its choices, those of added folders too."""
    from hydra.core.global_hydra import GlobalHydra

    loader = GlobalHydra.instance().config_loader()
    groups = {name for name in loader.list_groups("") if name != "hydra"}
    groups |= {f"model/{name}" for name in loader.list_groups("model")}
    offered = {name: loader.get_group_options(name) for name in sorted(groups)}
    lines = {name: [o for o in found if o not in BASES.get(name, ())] for name, found in offered.items()}
    return "\n".join(f"{name}: {', '.join(found)}" for name, found in lines.items() if found) + "\n"
