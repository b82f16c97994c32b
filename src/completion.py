"""Tab completion of the console command: commands, groups, choices, keys and values, without torch.

Hydra's own completion knows one command only, offers files that are no choice (`data=common`), and no values
that the schema lists.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ganatomy.cli import VERBS

FLAGS = ("--help", "--version", "--cfg", "--multirun", "--config-dir", "--info")
PATHS = (
    *("resume", "run", "runs", "run_dir", "input", "output", "masks", "folder", "directory", "init", "twin"),
    *("plan", "synthetic", "task.evaluator", "task.perceptual"),
    *("task.structure.run", "task.structure.source_run"),
)
"""Keys whose value is a path, besides those below `paths.` and those that end in one of ENDINGS."""
ENDINGS = ("root", "file", "dir", "folder")
FOLDERS = ("compare", "index")
"""Commands that take folders without a key."""
SHORT = {"index": ("task=", "data=", "model=", "status=", "name=")}
"""Keys of a command that stand for longer ones."""
SHELLS = {
    "bash": r"""_ganatomy() {
    local line="${COMP_LINE:0:COMP_POINT}" word
    local current="${line##*[[:space:]]}"
    local before="${current%"${current##*[=:]}"}"  # bash replaces what follows the last = or : alone
    COMPREPLY=()
    while IFS= read -r word; do
        case "$word" in *[=./]) compopt -o nospace 2>/dev/null ;; esac
        COMPREPLY+=("${word#"$before"}")
    done < <("${COMP_WORDS[0]}" completion query "$line" 2>/dev/null)
}
complete -F _ganatomy ganatomy
""",
    "zsh": r"""#compdef ganatomy
_ganatomy() {
    local -a found
    found=("${(@f)$("${words[1]}" completion query "$LBUFFER" 2>/dev/null)}")
    compadd -S '' -- ${(M)found:#*[=./]}
    compadd -- ${found:#*[=./]}
}
compdef _ganatomy ganatomy
""",
    "fish": "complete -c ganatomy -f -a '(ganatomy completion query (commandline -cp | string collect))'\n",
}
"""Script that each shell evaluates; all of them ask `ganatomy completion query LINE`."""


def main() -> None:
    """Print the script of a shell or, for `query LINE`, one line for each word that may come at its end."""
    match sys.argv[1:]:
        case ["query", line]:
            sys.stdout.write("".join(f"{word}\n" for word in candidates(line)))
        case [shell] if shell in SHELLS:
            sys.stdout.write(SHELLS[shell])
        case ["--help" | "-h"]:
            sys.stdout.write('Usage: eval "$(ganatomy completion bash)", or zsh; fish: ... | source\n')
        case _:
            sys.stderr.write(f"error: completion: name one shell, {', '.join(SHELLS)}\n")
            raise SystemExit(2)


def candidates(line: str) -> list[str]:
    """List the words, whole, that may replace the unfinished last word of a command line."""
    words = _split(line)
    begun = words.pop() if words and not line[-1:].isspace() else ""
    if len(words) < 2:
        return _beginning([*VERBS, "--help", "--version"], begun) if words else []
    verb, others = words[1], words[2:]
    if verb == "completion":
        return _beginning(list(SHELLS), begun) if not others else []
    if verb == "doctor":  # takes no keys
        return _beginning(["--help"], begun) if not others else []
    if verb not in VERBS:
        return []
    if others[-1:] == ["--cfg"]:
        return _beginning(["job", "hydra", "all"], begun)
    if others[-1:] == ["--config-dir"]:
        return _paths("", begun)
    if begun.startswith("-"):
        return _beginning(list(FLAGS), begun)
    found = _studies(others, begun) if verb == "experiment" else []
    found += _paths("", begun) if verb in FOLDERS and "=" not in begun else []
    return found + _beginning(list(SHORT.get(verb, ())), begun) + _completed(verb, others, begun)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # a quote that is still open
        return line.split()


def _beginning(words: list[str], begun: str) -> list[str]:
    return [word for word in words if word.startswith(begun)]


def _studies(others: list[str], begun: str) -> list[str]:
    """List the experiments in the current folder, with the words that may stand in their place or before."""
    if others == ["check"]:
        return _paths("", begun)
    names = sorted(path.parent.name for path in Path("experiments").glob("*/experiment.yaml"))
    words = {(): [*names, "list", "check", "archive"], ("archive",): names}
    return _beginning(words.get(tuple(others), []), begun)


def _completed(verb: str, others: list[str], begun: str) -> list[str]:
    """Complete `key=value` or a part of it; a `+` or `~` before the key is kept."""
    from ganatomy.config.mistakes.keys import config_dir

    folder = config_dir(others)
    if folder.startswith("~/"):  # a shell hands over the line as it was typed
        folder = str(Path(folder).expanduser())
    name = begun.lstrip("+~")
    sign, (key, equals, value) = begun[: len(begun) - len(name)], name.partition("=")
    if not equals:
        keys = [*_groups(verb, folder), *_keys(_composed(verb, others, folder), name)]
        return [f"{sign}{word}" for word in dict.fromkeys(keys) if word.startswith(name)]
    if _is_path(key) or value.startswith((".", "/", "~")):
        return _paths(f"{sign}{key}=", value)
    values = _choices(key, folder) or _values(verb, key, _composed(verb, others, folder))
    return [f"{sign}{key}={word}" for word in values if word.startswith(value)]


def _choices(key: str, folder: str) -> list[str]:
    from ganatomy.config.mistakes.overrides import choices

    return choices(key, folder) if key and "." not in key else []


def _groups(verb: str, folder: str) -> list[str]:
    """List the groups of conf/ and of an added folder that the command takes, each with its =."""
    from ganatomy.config.locations import CONF
    from ganatomy.config.mistakes.keys import takes

    roots = [CONF, Path(folder)] if folder else [CONF]
    groups = {str(path.relative_to(root)) for root in roots for path in root.rglob("*") if path.is_dir()}
    return [f"{group}=" for group in sorted(groups) if takes(verb, group) and _choices(group, folder)]


def _composed(verb: str, words: list[str], folder: str) -> dict[Any, Any]:
    """Compose the command's configuration without words that do not fit; a sweep takes `train`'s keys too."""
    from ganatomy.config.mistakes.keys import composed_plain, search_path

    words = [word for word in words if "=" in word and not word.startswith("-")]
    more = search_path([folder])
    chosen = [word for word in words if "." not in word.partition("=")[0]]
    name = "train" if verb == "sweep" else verb
    plain = next(filter(None, (composed_plain(name, w, more) for w in (words, chosen, []))), {})
    return plain | (composed_plain("sweep", []) if verb == "sweep" else {})


def _keys(plain: Mapping[Any, Any], name: str) -> list[str]:
    """List the keys one level below the typed section: `section.` for a section, `key=` for a value."""
    section = name.rpartition(".")[0]
    node = _at(plain, section) if section else plain
    if not isinstance(node, Mapping):
        return []
    before = f"{section}." if section else ""
    shown = [(key, value) for key, value in node.items() if not str(key).startswith("_")]
    return [f"{before}{key}{'.' if isinstance(value, Mapping) and value else '='}" for key, value in shown]


def _values(verb: str, key: str, plain: Mapping[Any, Any]) -> list[str]:
    """List the values that the schema allows for a key, or else its present value as an example."""
    present = _at(plain, key)
    listed = list(_listed(key)) if verb in ("train", "sweep") else []
    if listed or isinstance(present, bool):
        return listed or ["true", "false"]
    is_plain = isinstance(present, int | float | str) and "${" not in str(present)
    return [str(present)] if is_plain else ["null"] if present is None else []


def _listed(key: str) -> Iterator[str]:
    """Yield the booleans, names and null that the schema of a run allows for a key."""
    from typing import Literal, get_args, get_origin

    from ganatomy.config.schema import Config
    from ganatomy.config.section import Section

    kinds: list[Any] = [Config]
    for part in key.split("."):
        sections = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)]
        fields = [section.model_fields[part] for section in sections if part in section.model_fields]
        kinds = [kind for field in fields for kind in _alternatives(field.annotation)]
    for kind in dict.fromkeys(kinds):
        if kind is bool:
            yield from ("true", "false")
        elif get_origin(kind) is Literal:
            yield from map(str, get_args(kind))
    if type(None) in kinds and len(kinds) > 1:
        yield "null"


def _alternatives(annotation: Any) -> list[Any]:
    """List the types that a union or an annotated type allows."""
    from types import UnionType
    from typing import Annotated, Union, get_args, get_origin

    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [kind for part in get_args(annotation) for kind in _alternatives(part)]
    return [annotation]


def _at(plain: Any, key: str) -> Any:
    """Return the value of a dotted key, or an empty string if there is none."""
    for part in key.split("."):
        if not isinstance(plain, Mapping) or part not in plain:
            return ""
        plain = plain[part]
    return plain


def _is_path(key: str) -> bool:
    last = key.rpartition(".")[2]
    return key in PATHS or key.startswith("paths.") or any(last.endswith(end) for end in ENDINGS)


def _paths(before: str, begun: str) -> list[str]:
    """List files and folders that begin with `begun`; folders end in a slash."""
    folder, slash, start = begun.rpartition("/")
    try:
        entries = sorted(Path(folder + slash).expanduser().iterdir())
    except (OSError, RuntimeError):
        return []
    shown = [entry for entry in entries if not entry.name.startswith(".") or start.startswith(".")]
    found = [entry for entry in shown if entry.name.startswith(start)]
    return [f"{before}{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}" for entry in found]
