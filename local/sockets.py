"""Where a Unix socket goes: beside the data, or in a short private folder when that path is too long."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

MAX_PATH_BYTES = 100
"""`sun_path` holds 108 bytes on Linux and 104 on macOS, the closing zero included."""


def socket_folder(data: Path, name: str, *, owner: tuple[int, int] | None = None) -> Path:
    """An existing folder in which the socket `name` may be created.

    It is `data` itself unless the path would not fit; then a folder of mode 0700 under the system's
    temporary folder, named for `data` and belonging to `owner`. Raises `PermissionError` when somebody
    else made that folder first.
    """
    if len(os.fsencode(data / name)) <= MAX_PATH_BYTES:
        return data
    uid, gid = owner or (os.geteuid(), os.getegid())
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"sight-{uid}-{digest}"
    if len(os.fsencode(folder / name)) > MAX_PATH_BYTES:
        folder = Path("/tmp") / folder.name  # noqa: S108 (its owner and mode are checked below)
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, uid, gid)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            raise PermissionError(f"{folder} exists and is not a private folder of user {uid}; remove it") from None
    return folder


def remove_folder(data: Path, name: str, *, owner: tuple[int, int] | None = None) -> None:
    """Removes the short folder when `socket_folder` made one and its socket is gone or of no use any more."""
    folder = socket_folder(data, name, owner=owner)
    if folder != data:
        shutil.rmtree(folder, ignore_errors=True)
