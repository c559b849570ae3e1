"""Paths that the commands are given, and which of them may be written anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import typer

from ccbs.config import AsteriskConfig, Config

__all__ = ["clash", "file_path"]


def file_path(text: str) -> Path:
    """The path of a file, as an argument says it; an empty one would name the working directory.

    :param text: as given.
    :returns: the path.
    :raises typer.BadParameter: it is empty.
    """
    if not text:
        raise typer.BadParameter("the path is empty; expected that of a file.")
    return Path(text)


def clash(config: Config | AsteriskConfig, *, trace: Path | None, record: Path | None) -> str | None:
    """Whether the trace or the recording would take the place of a file that something else needs.

    :param config: names the others.
    :param trace: where SIP messages are written, or None.
    :param record: where the engine's inputs are written, or None.
    :returns: a sentence with what to do, or None.
    """
    taken = list(_taken(config))
    written = [("--trace", trace)]
    if record is not None:
        # An older recording is kept beside the new one.
        written += [("--record", record), ("--record", Path(f"{record}.1"))]
    for option, path in written:
        if path is None:
            continue
        for what, other in taken:
            if _is_same(path, other):
                return f"{option} would write to {path}, which is {what}. Give {option} another path."
        if option == "--trace":
            taken.append(("the file of --trace", path))
    return None


def _taken(config: Config | AsteriskConfig) -> Iterator[tuple[str, Path]]:
    yield "the configuration", config.file
    yield "the control socket", config.control_socket
    if config.call_log_file is not None:
        yield "the call log (call_log.file)", config.call_log_file
    if config.store is not None:
        for ending in ("", "-wal", "-shm", ".lock"):
            yield "the store's (store.path)", Path(f"{os.path.realpath(config.store.path)}{ending}")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)
