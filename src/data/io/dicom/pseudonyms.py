"""Pseudonyms of patients and series: keyed with a secret that the owner of the data keeps."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
from pathlib import Path

from ganatomy.errors import UserError

log = logging.getLogger(__name__)
LEAST = 32
"""Minimum number of characters of a secret; 32 hexadecimal digits are 128 bits."""
DIGITS = 32
"""Hexadecimal digits of a pseudonym: 128 bits."""
KEEP = "keep it: with another one they have other names; who has it can tell who they are"
MAKE = "python -c 'import secrets; print(secrets.token_hex(32))'"


class Pseudonyms:
    """Pseudonyms by HMAC-SHA-256 (RFC 2104): without the secret nobody can tell whose they are.

    Args:
        secret: Text of the secret file.

    Example:
        >>> names = Pseudonyms("0123456789abcdef" * 4)
        >>> names("patient", "4819327")
        '6eacd7ea708d790dd9ded73cc7ba7090'
    """

    def __init__(self, secret: str) -> None:
        self._key = secret.encode()

    def __call__(self, kind: str, text: str) -> str:
        """Return the pseudonym of a text; `kind` keeps those of patients and series apart."""
        message = f"{kind}\0{text}".encode(errors="surrogateescape")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:DIGITS]


def secret_file(given: str | None, root: Path) -> Path:
    """Return the file of a data set's secret.

    It is the one given, else that of the environment variable GANATOMY_SECRET, else the file beside the data
    (`<root>.secret`) if it is there, else one in the user's folder of settings, named by the place of the
    data.

    Args:
        given: Path of `data.secret`, or None.
        root: Folder of the data.
    """
    if chosen := given or os.environ.get("GANATOMY_SECRET"):
        return Path(chosen).expanduser()
    place = root.resolve()
    beside = place.with_name(f"{place.name}.secret")
    if beside.is_file():
        return beside
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    name = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
    return settings / "ganatomy" / "secrets" / name


def read_secret(given: str | None, root: Path) -> str:
    """Return the secret of a data set; one in the user's folder of settings is made on first use.

    Args:
        given: Path of `data.secret`, or None.
        root: Folder of the data.

    Raises:
        UserError: If the file is not there, cannot be read or made, or is too short.
    """
    path = secret_file(given, root)
    fixed = given or os.environ.get("GANATOMY_SECRET")
    where = f"data.secret={path}"
    try:
        if not fixed and not path.exists():
            _make(path)
            log.warning("data.secret=%s: made, for the pseudonyms of these patients; %s", path, KEEP)
        text = path.read_text(encoding="utf-8").strip()
        shared = os.name == "posix" and path.stat().st_mode & 0o004
    except FileNotFoundError as error:
        raise UserError(f"{where}: is not there; copy it from where it was, or make one: {MAKE}") from error
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise UserError(f"{where}: cannot be read or made ({why}); name another file") from error
    if len(text) < LEAST:
        raise UserError(f"{where}: is shorter than {LEAST} characters; make one: {MAKE}")
    if shared:
        raise UserError(f"{where}: everyone on this machine can read it; chmod 600 {path}")
    return text


def _make(path: Path) -> None:
    """Make a file with a new secret (mode 0600); of several processes the first one wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
