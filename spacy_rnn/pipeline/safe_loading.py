"""Loading a component from data that may be damaged, or made to do harm."""

from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Union

import srsly
from spacy.util import ensure_path
from spacy.vocab import Vocab
from thinc.api import Model

from .. import __version__
from ..bridge.loading import collector_as_before, load_model, unchanged_on_error
from ..errors import Errors
from .checksums import (
    CHECKSUMS,
    FIRST_FORMAT,
    FORMAT,
    PARTS,
    add_checksums,
    find_damage,
    part_of_bytes,
    read_part,
    write_checksums,
)


class SafeLoading:
    """A mixin for trainable components. Loading names the part that is at fault, and changes
    the component as a whole or not at all. Settings that were changed since the component was
    saved, as by `spacy.load(path, config=...)`, stay.
    """

    name: str
    vocab: Vocab
    model: Model
    cfg: Dict[str, Any]

    def remember_settings(self) -> None:
        """Note what the component was made with, at the end of `__init__`: saved beside what
        the settings are, to tell which of them were changed later."""
        config = {k: v for k, v in self.cfg.items() if k not in self.learned}
        # How the component is saved stands here, since versions that save otherwise do not keep
        # what they find here.
        self.cfg["config"] = {**config, "format": FORMAT, "saved_by": __version__}

    # What `cfg` holds that is learned, not set.
    learned: Iterable[str] = ("labels",)

    def to_disk(self, path: Union[Path, str], *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a directory, with the checksums of its files."""
        super().to_disk(path, exclude=exclude)  # type: ignore[misc]
        write_checksums(ensure_path(path))

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Save the component to bytes, with the checksums of its parts."""
        return add_checksums(super().to_bytes(exclude=exclude))  # type: ignore[misc]

    def from_disk(self, path: Union[Path, str], *, exclude: Iterable[str] = ()) -> Any:
        """Load the component from a directory.

        RAISES: ValueError that names the file, if one is missing, corrupt, not as it was saved,
            or was saved by a newer version of this package.
        """
        folder = ensure_path(path)
        load_vocab = partial(self.vocab.from_disk, folder / "vocab", exclude=list(exclude))
        self._load(partial(read_part, folder), load_vocab, exclude, folder)
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Any:
        """Load the component from bytes. RAISES: ValueError as `from_disk`, naming the part."""
        with collector_as_before(), self._blamed(Path("data")):
            msg = dict(srsly.msgpack_loads(bytes_data))
        load_vocab = partial(self.vocab.from_bytes, msg.get("vocab"), exclude=list(exclude))
        self._load(partial(part_of_bytes, msg), load_vocab, exclude)
        return self

    def _load(
        self,
        read: Callable[[str], Dict[str, bytes]],
        load_vocab: Callable[[], Any],
        exclude: Iterable[str],
        folder: Path = Path(),
    ) -> None:
        """Load what is not excluded, once all of it is known to be as it was saved.

        read: Gives the files of a part. load_vocab: Loads the vocabulary.
        folder: Where the files are, for errors.
        """
        parts = [part for part in PARTS if part not in exclude]
        before = dict(self.cfg)
        try:
            with collector_as_before(), unchanged_on_error(self.model):
                files = self._read_checked(read, parts, folder)
                loaders: Dict[str, Callable[[], Any]] = {
                    "cfg": lambda: self._load_cfg(settings_in(files)),
                    "model": lambda: self._load_model(files["model"]),
                    "vocab": load_vocab,
                }
                for part in parts:
                    with self._blamed(folder / part):
                        loaders[part]()
        except BaseException:
            self.cfg = before
            raise

    def _read_checked(
        self, read: Callable[[str], Dict[str, bytes]], parts: List[str], folder: Path
    ) -> Dict[str, bytes]:
        """Read the files of some parts. RAISES: ValueError unless they are as they were saved."""
        files: Dict[str, bytes] = {}
        for part in (*parts, CHECKSUMS):
            with self._blamed(folder / part):
                files.update(read(part))
        checksums = files.pop(CHECKSUMS, None)
        self._check_format(files, checksums, folder)
        damaged = None if checksums is None else find_damage(files, parts, checksums)
        if damaged in (*files, CHECKSUMS):
            raise ValueError(Errors.R321.format(name=self.name, path=folder / damaged))
        if damaged is not None:
            raise self._at_fault(folder / damaged, "missing")
        return files

    def _check_format(
        self, files: Dict[str, bytes], checksums: Optional[bytes], folder: Path
    ) -> None:
        """RAISES: ValueError if a newer version has saved files, or checksums were lost."""
        with self._blamed(folder / "cfg"):
            saved = settings_in(files).get("config", {})
            found, version = saved.get("format", FIRST_FORMAT), saved.get("saved_by")
        if found not in (FIRST_FORMAT, FORMAT):
            facts = {"found": found, "known": FORMAT, "mine": __version__}
            raise ValueError(Errors.R322.format(name=self.name, version=version, **facts))
        if checksums is None and found != FIRST_FORMAT:
            raise self._at_fault(folder / CHECKSUMS, "missing")

    @contextmanager
    def _blamed(self, path: Path) -> Iterator[None]:
        """Say what is at fault for an error within the context."""
        try:
            yield
        except Exception as error:
            missing = isinstance(error, FileNotFoundError) or error.args == path.parts[-1:]
            problem = "missing" if missing else f"corrupt: {type(error).__name__}: {error}"
            raise self._at_fault(path, problem) from error

    def _at_fault(self, path: Path, problem: str) -> ValueError:
        return ValueError(Errors.R308.format(name=self.name, path=path, problem=problem))

    def _load_cfg(self, loaded: Any) -> None:
        labels = loaded["labels"]
        names = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
        if not names or len(set(labels)) != len(labels):
            raise ValueError(f"the labels are {labels!r}, not a list of different names")
        mine, theirs = self.cfg["config"], loaded.pop("config", loaded)
        changed = {key for key in mine if mine[key] != theirs.get(key, mine[key])}
        cfg = {**self.cfg, **{k: v for k, v in loaded.items() if k not in changed}}
        self.check_settings(cfg)
        self.cfg = cfg

    def check_settings(self, cfg: Dict[str, Any]) -> None:
        """Check settings and labels, of a config or loaded: components say what they allow.

        RAISES: ValueError for what is out of its range.
        """

    def _load_model(self, data: bytes) -> None:
        load_model(self.model, data)
        if self.model.has_ref("output_layer"):
            output = self.model.get_ref("output_layer")
            found, labels = output.maybe_get_dim("nO"), self.cfg["labels"]
            if output.has_param("W") and found != len(labels):
                raise ValueError(f"it has scores for {found} labels, and cfg has {labels}")


def settings_in(files: Dict[str, bytes]) -> Any:
    """What the file `cfg` of a saved component says, where it was read."""
    return srsly.json_loads(files["cfg"].decode("utf8")) if "cfg" in files else {}
