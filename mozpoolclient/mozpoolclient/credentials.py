# SPDX-License-Identifier: MPL-2.0
"""Who calls: the token that servers ask for, where it is found, and to whom it may go. Nothing here is sent, and no error has it in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Optional, Sequence, Union
from urllib.parse import urlsplit

from .errors import MozpoolException

#: Holds the token itself.
TOKEN_VARIABLE = "MOZPOOL_TOKEN"
#: Names the file that holds it.
FILE_VARIABLE = "MOZPOOL_TOKEN_FILE"
#: Ours have 47 characters; what a proxy asks for may be longer.
_TOKEN_MAX = 4096


class Token:
    """A token, and who said it."""

    def __init__(self, text: str, named_by: str) -> None:
        """Raises MozpoolException when the text cannot be a token."""
        self._text = text.strip()
        #: "$MOZPOOL_TOKEN", a file's name, or "token=".
        self.named_by = named_by
        if not self._text or len(self._text) > _TOKEN_MAX or not all("!" <= c <= "~" for c in self._text):
            raise MozpoolException(f"{named_by} holds no token: that is one word, which `mozpool token create` prints")

    def header(self) -> str:
        """The value of the Authorization header (RFC 6750 section 2.1)."""
        return f"Bearer {self._text}"

    def __repr__(self) -> str:
        # Without the secret, for it would be in every traceback that shows values.
        return f"<token from {self.named_by}>"


def find_token(token: Optional[str] = None, token_file: Union[str, Path, None] = None) -> Optional[Token]:
    """The token as given, of the file as given, of the environment, of the user's own file; None when there is none.

    Raises MozpoolException when a file cannot be read, may be read by every user, or holds no token.
    """
    if token is not None:
        return Token(token, "token=")
    if token_file is not None:
        return _read(Path(token_file))
    if text := os.environ.get(TOKEN_VARIABLE):
        return Token(text, f"${TOKEN_VARIABLE}")
    if named := os.environ.get(FILE_VARIABLE):
        return _read(Path(named))
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        usual = (Path(folder) if folder.startswith("/") else Path.home() / ".config") / "mozpool" / "token"
        return _read(usual) if usual.exists() else None
    except (OSError, RuntimeError):
        return None  # A user without a home, or with one that cannot be looked into, has no file there.


def _read(path: Path) -> Token:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            about = os.fstat(file.fileno())
            # A pipe of a shell has no such rights, and other systems than POSIX's say nothing by them.
            if os.name == "posix" and stat.S_ISREG(about.st_mode) and about.st_mode & 0o006:
                raise MozpoolException(f"{path} holds a token, and every user may read it or change it: chmod 600 {path}")
            return Token(file.read(_TOKEN_MAX + 2), str(path))
    except OSError as error:
        raise MozpoolException(f"cannot read the token's file {path}: {error.strerror}") from error


def may_have_it(url: str, servers: Sequence[str]) -> bool:
    """Whether the token may be sent to this address: a server that was named, or another one of its pool.

    A request's address names its owner, which need not be among those that were named, so every API is believed to be of the pool; but
    what began by TLS does not go on without it.
    """
    if any(url.startswith(server + "/") for server in servers):
        return True
    parts = urlsplit(url)
    return "/api/" in parts.path and (parts.scheme == "https" or any(server.startswith("http://") for server in servers))
