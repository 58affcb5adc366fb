"""Taking along what the learner has made: all of ``my/`` in one archive, and back from it."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from kubechaos_helpers.errors import CourseError
from kubechaos_helpers.files import my_folder
from kubechaos_helpers.widgets import mimebundle, show_state

PACKED = "kubechaos-my.zip"
LARGEST_BYTES = 50_000_000
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What reading an archive of somebody else's raises: zipfile, its decompressors, and names that no file can have.
UNREADABLE = (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError, ValueError)


def pack() -> Path:
    """Put all of the learner's own files into one archive, and say where it is."""
    target = my_folder() / PACKED
    unfinished = target.with_suffix(".new")
    # No file is older than archives can say (1980): it is said to be of then.
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for path in filter(Path.is_file, _own_files()):
            archive.write(path, path.relative_to(my_folder()))
    unfinished.replace(target)
    return target


def _own_files() -> Iterable[Path]:
    for folder, folders, names in os.walk(my_folder()):
        folders[:] = [each for each in folders if not each.startswith(".") and each != "__pycache__"]
        yield from (Path(folder) / name for name in names if not name.startswith(("kubechaos-my.", ".")))


def unpack(content: bytes) -> str:
    """Put an archive's files back; the sentence says what became of them.

    A file that is there and differs is kept beside it as NAME.before. CourseError for what is no such
    archive or cannot be put back, and then nothing is changed.
    """
    files, home = _read(content), my_folder()
    try:
        placed = _placed(files)
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".restoring-", dir=home) as folder:
            kept = _put_back(_staged(placed, Path(folder)), set(placed))
    except (OSError, RuntimeError) as error:  # RuntimeError: links in my/ that go round in circles
        raise CourseError(f"The files of this archive cannot be put back: {error}. Nothing was changed.") from None
    before = f" {kept} that differed are kept as NAME.before." if kept else ""
    return f"{len(files)} files are back in my/.{before} Reload the page in your browser to see them."


def _read(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if any(entry.compress_type not in METHODS for entry in entries):
                raise zipfile.BadZipFile("it is compressed in another way than this course's")
            if sum(entry.file_size for entry in entries) > LARGEST_BYTES:
                raise CourseError("This archive is too large to be one of this course's. Nothing was changed.")
            return {entry.filename: archive.read(entry) for entry in entries}
    except UNREADABLE as error:
        raise CourseError(
            f"This archive cannot be read ({error}). Nothing was changed. Choose a {PACKED} that this page made."
        ) from None


def _placed(files: Mapping[str, bytes]) -> dict[Path, bytes]:
    """Where each file goes. CourseError when one would be outside, or where it cannot be beside what there is."""
    from pocket_cluster.paths import inside

    home = my_folder().resolve()
    outside = [name for name in files if not (home / name).resolve().is_relative_to(home)]
    if outside:
        raise CourseError(f"This archive would write outside of my/ ({outside[0]}). Nothing was changed.")
    placed = {inside(home, name): data for name, data in files.items()}
    for path in placed:
        above = [each for each in path.parents if each != home and each.is_relative_to(home)]
        file_above = any(each in placed or (each.exists() and not each.is_dir()) for each in above)
        if path == home or path.is_dir() or file_above:
            raise CourseError(
                f"This archive has a file where my/ has a folder, or a folder where there is a file:"
                f" {path.relative_to(home)}. Nothing was changed. Rename what is in my/, and restore again."
            )
    return placed


def _staged(files: Mapping[Path, bytes], folder: Path) -> dict[Path, Path]:
    """The files, written beside where they go, for what differs from what is there; the disk has room for them."""
    staged = {}
    for number, (path, data) in enumerate(files.items()):
        if not path.is_file() or path.read_bytes() != data:
            staged[path] = folder / str(number)
            staged[path].write_bytes(data)
    return staged


def _put_back(staged: Mapping[Path, Path], taken: set[Path]) -> int:
    """Move each file to its place; how many of other content were there. After any error all is as it was."""
    undo: list[Callable[[], object]] = []
    kept = 0
    try:  # what undoes a step is noted before it: an interrupt may come right after it
        for path, file in staged.items():
            for folder in [each for each in reversed(path.parents) if not each.exists()]:
                undo.append(folder.rmdir)
                folder.mkdir()
            if path.exists():
                before = _free_name(path, taken)
                undo.append(lambda path=path, before=before: before.rename(path))  # type: ignore[misc]
                path.rename(before)
                kept += 1
            undo.append(path.unlink)
            file.rename(path)
    except BaseException:
        for step in reversed(undo):
            with suppress(OSError):
                step()
        raise
    return kept


def _free_name(path: Path, taken: set[Path]) -> Path:
    """NAME.before, or NAME.before.before… where that is there already: no state of a file is lost."""
    before = path
    while before == path or before.exists() or before in taken:
        before = before.with_name(f"{before.name}.before")
    return before


class TakeAlong:
    """A button that packs the learner's files, an upload that puts them back, and what became of either."""

    def __init__(self) -> None:
        import ipywidgets

        self.button = ipywidgets.Button(description="Pack", tooltip="Put all of your files into one archive")
        self.button.on_click(lambda _: self._pack())
        self.upload = ipywidgets.FileUpload(
            accept=".zip", description="Restore", tooltip="Put the files of an archive back", multiple=False
        )
        self.upload.observe(self._restore, "value")
        self.state = ipywidgets.HTML()
        self._widget = ipywidgets.VBox([ipywidgets.HBox([self.button, self.upload]), self.state])

    def _pack(self) -> None:
        size = pack().stat().st_size
        show_state(
            self.state,
            f"my/{PACKED} has your files and your progress ({size // 1000 + 1} kB). In the file browser on the left,"
            " choose Download from its context menu.",
        )

    def _restore(self, change: Any) -> None:
        for file in change["new"]:
            try:
                show_state(self.state, unpack(bytes(file["content"])))
            except CourseError as error:
                show_state(self.state, str(error))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return mimebundle(self._widget, "A button that packs your files, and one that restores them.")


def take_along() -> TakeAlong:
    """Pack your files and your progress, or restore them: sessions on Binder vanish."""
    return TakeAlong()
