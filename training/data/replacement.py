"""Replace files and folders so that a command that is killed leaves either the old or the new, never a part of it."""

import ctypes
import fcntl
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CURRENT = ".prepared"  # a link to the folder that has the files that count
SET = re.compile(re.escape(CURRENT) + "(-[0-9a-f]{8})?")  # the names of such folders; without digits, of a copied link
RETIRED = ".replaced"
AT_WORKING_DIRECTORY, EXCHANGE = -100, 2  # AT_FDCWD; RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path to write in the place of `path`, which is replaced in one step when all is written.

    A device or a pipe is written as it is.
    """
    target = Path(os.path.realpath(path))  # of a link, the file it points to
    if target.exists() and not target.is_file():
        yield target
        return
    new = target.with_name(f".new.{target.name}")  # the same ending: some writers choose the format by it
    try:
        yield new
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, command: str) -> Iterator[None]:
    """Create `folder` if need be, and let only one process at a time write it. Raises SystemExit in the others.

    The lock ends with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise SystemExit(f"{folder}: another `{command}` is writing it; wait until it has ended") from error
    finally:
        os.close(descriptor)


@contextmanager
def replacing_together(folder: Path, names: Sequence[str], command: str) -> Iterator[Path]:
    """Yield an empty folder to write `names` into; they then replace those of `folder`, all in one step.

    `folder` has a link for each name, by way of CURRENT, which alone is replaced. Other files in `folder` stay. What a
    killed process left behind is removed.
    """
    with locked(folder, command):
        _remove_other_sets(folder)
        new = _create_set(folder)
        try:
            yield new
        except BaseException:
            shutil.rmtree(new)
            raise
        _link_names(folder, names)
        _point(folder / CURRENT, new.name)
        _remove_other_sets(folder)


def _create_set(folder: Path) -> Path:
    created = folder / f"{CURRENT}-{uuid.uuid4().hex[:8]}"
    created.mkdir()
    return created


def _remove_other_sets(folder: Path) -> None:
    current = folder / CURRENT
    kept = current.readlink() if current.is_symlink() else None
    for path in folder.iterdir():
        if SET.fullmatch(path.name) and not path.is_symlink() and Path(path.name) != kept:
            shutil.rmtree(path)


def _link_names(folder: Path, names: Sequence[str]) -> None:
    """Make every name in `folder` a link by way of CURRENT. What is read by these names does not change."""
    if not (folder / CURRENT).is_symlink():
        plain = [name for name in names if (folder / name).is_file()]  # of an earlier version, or copied
        if plain:
            earlier = _create_set(folder)
            for name in plain:
                os.link(folder / name, earlier / name)
            _point(folder / CURRENT, earlier.name)
    for name in names:
        target, link = Path(CURRENT, name), folder / name
        if not link.is_symlink() or link.readlink() != target:
            _point(link, target)


def _point(link: Path, target: Path | str) -> None:
    """Make `link` a link to `target`, in the place of whatever file or link it is."""
    new = link.with_name(f".new.{link.name}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def replace_folder(new: Path, target: Path) -> None:
    """Put the folder `new` in the place of the folder `target`, which is removed.

    Linux and macOS exchange the two in one step. Where the file system cannot, it takes two: a process that is killed
    between them leaves no `target`, and `restore_folder` brings the old one back.
    """
    try:
        _exchange(new, target)
    except OSError:
        target.rename(_retired(target))
        try:
            new.rename(target)
        finally:
            restore_folder(target)
    else:
        shutil.rmtree(new)


def restore_folder(target: Path) -> None:
    """Bring back a folder whose replacement was interrupted; if it was complete, remove what it replaced."""
    retired = _retired(target)
    if retired.exists() and not target.exists():
        retired.rename(target)
    shutil.rmtree(retired, ignore_errors=True)


def _retired(target: Path) -> Path:
    return target.with_name(f".{target.name}{RETIRED}")


def _exchange(one: Path, other: Path) -> None:
    """Exchange two folders in one step. Raises OSError where the system or the file system cannot."""
    library, paths = ctypes.CDLL(None, use_errno=True), [os.fsencode(path) for path in (one, other)]
    if sys.platform == "darwin":
        failed = library.renamex_np(*paths, EXCHANGE)
    elif hasattr(library, "renameat2"):
        failed = library.renameat2(AT_WORKING_DIRECTORY, paths[0], AT_WORKING_DIRECTORY, paths[1], EXCHANGE)
    else:
        raise OSError("the C library has no renameat2")
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))
