"""Where records and reports go: whether they can be written, found out before anything is judged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class OutputPathError(Exception):
    """Nothing can be written there; the message says why, and what to do."""


def check_file(path: Path, what: str) -> None:
    """Whether a file can be written, found out by opening it; raises OutputPathError. It is left as it was.

    what: how the message names it, for example `--record`.
    """
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "no ordinary file"
        raise OutputPathError(f"{what} {path}: is {kind}; give the name of a file")
    _check_parent(path, what)
    new = not path.exists()
    try:
        with path.open("ab"):
            pass
        if new:
            path.unlink()
    except OSError as error:
        raise OutputPathError(f"{what} {path}: cannot be written: {error.strerror}") from error


def check_folder(path: Path, what: str, names: Iterable[str] = ()) -> None:
    """Whether files of these names can be written in a folder, which may be new; raises OutputPathError."""
    if path.exists() and not path.is_dir():
        raise OutputPathError(f"{what} {path}: is a file; give a folder")
    _check_parent(path, what)
    new = not path.exists()
    try:
        path.mkdir(exist_ok=True)
        for name in names:
            check_file(path / name, what)
        if new:
            path.rmdir()
    except OSError as error:
        raise OutputPathError(f"{what} {path}: cannot be written: {error.strerror}") from error


def _check_parent(path: Path, what: str) -> None:
    if not path.parent.is_dir():
        raise OutputPathError(
            f"{what} {path}: cannot be written: there is no folder {path.parent}; make it first"
        )
