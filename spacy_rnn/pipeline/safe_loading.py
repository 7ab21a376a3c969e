"""Loading a component from data that may be damaged, or made to do harm."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Union

import srsly
from spacy.util import ensure_path
from spacy.vocab import Vocab
from thinc.api import Model

from ..bridge.loading import load_model, unchanged_on_error
from ..errors import Errors


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
        self.cfg["config"] = {k: v for k, v in self.cfg.items() if k not in self.learned}

    # What `cfg` holds that is learned, not set.
    learned: Iterable[str] = ("labels",)

    def from_disk(self, path: Union[Path, str], *, exclude: Iterable[str] = ()) -> Any:
        """Load the component from a directory.

        RAISES: ValueError that names the file, if one is missing or corrupt.
        """
        folder = ensure_path(path)
        self._load(
            {
                "cfg": lambda: self._load_cfg(srsly.json_loads((folder / "cfg").read_text("utf8"))),
                "model": lambda: self._load_model((folder / "model").read_bytes()),
                "vocab": lambda: self.vocab.from_disk(folder / "vocab", exclude=list(exclude)),
            },
            exclude,
            folder,
        )
        return self

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Any:
        """Load the component from bytes. RAISES: ValueError that names the part at fault."""
        try:
            msg = dict(srsly.msgpack_loads(bytes_data))
        except Exception as error:
            raise self._damaged("data", error) from error
        self._load(
            {
                "cfg": lambda: self._load_cfg(srsly.json_loads(msg["cfg"])),
                "model": lambda: self._load_model(msg["model"]),
                "vocab": lambda: self.vocab.from_bytes(msg["vocab"], exclude=list(exclude)),
            },
            exclude,
        )
        return self

    def _load(
        self, loaders: Dict[str, Callable[[], Any]], exclude: Iterable[str], folder: Path = Path()
    ) -> None:
        before = dict(self.cfg)
        try:
            with unchanged_on_error(self.model):
                for part, load in loaders.items():
                    if part not in exclude:
                        try:
                            load()
                        except Exception as error:
                            raise self._damaged(str(folder / part), error) from error
        except BaseException:
            self.cfg = before
            raise

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

    def _damaged(self, part: str, error: Exception) -> ValueError:
        missing = isinstance(error, FileNotFoundError) or error.args == (part,)
        problem = "missing" if missing else f"corrupt: {type(error).__name__}: {error}"
        return ValueError(Errors.R308.format(name=self.name, path=part, problem=problem))
