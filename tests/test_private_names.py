"""Names of spaCy, thinc and torch that are not public: few, known, and with a way to go on where a
version no longer has them."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
import spacy
import thinc
import torch
from spacy.language import Language
from spacy.pipeline import TextCategorizer
from spacy.pipeline.tagger import Tagger
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Config, Model, NumpyOps, Optimizer, PyTorchShim
from torch import Tensor, nn
from typer.testing import CliRunner

import spacy_rnn
from spacy_rnn.cli import _app, _doctor_cpu
from spacy_rnn.engine import ragged_rnn, short_reader
from spacy_rnn.engine.short_reader import ShortReader
from tests.conftest import make_examples

ROOT = Path(spacy_rnn.__file__).parent


class Use(NamedTuple):
    """A private name, and what becomes of us without it."""

    module: str
    name: str
    why: str
    without: str


KNOWN = [
    Use(
        "engine/short_reader.py",
        "_reorder_mkldnn_rnn_layer_weight",
        "a short text takes two thirds of the time where weights are laid out once",
        "`_has_onednn` is false: torch's public LSTM, with the same result",
    ),
    Use(
        "engine/ragged_rnn.py",
        "_is_mkldnn_bf16_supported",
        "torch's kernels decide by it whether bfloat16 is computed natively",
        "`has_bfloat16` is false: float32, with the warning W001 where bfloat16 was asked for",
    ),
    Use(
        "cli/_app.py",
        "spacy.cli._util",
        "spaCy's own parser of settings on the command line",
        "commands to which settings are given end with a message that names it; others run",
    ),
    Use(
        "pipeline/component.py",
        "_rehearsal_model",
        "where spaCy's `resume_training` puts a copy of the model",
        "None: `rehearse` changes nothing, as without `resume_training`",
    ),
    Use(
        "pipeline/textcat_lstm.py",
        "_rehearsal_model",
        "its temperature is set to 1 for training",
        "None, as above",
    ),
    Use(
        "pipeline/textcat_lstm.py",
        "_validate_categories",
        "what spaCy calls when it initializes and scores a classifier, with our rules",
        "a method of our own, which `update` and `calibrate` call: they check as before",
    ),
    Use(
        "cli/_doctor_labels.py",
        "_validate_categories",
        "`doctor` asks a classifier whether it takes the values of a text",
        "a method of our own, as above",
    ),
    Use(
        "cli/_doctor_batch.py",
        "_link_components",
        "spaCy links listeners so before it initializes components that were sourced",
        "`doctor` goes on, and `initialize` links them",
    ),
    Use(
        "cli/_doctor_cpu.py",
        "_is_amx_tile_supported",
        "whether the CPU has AMX",
        "`doctor` does not name it",
    ),
]
# Classes and objects of others that ours extend or hold.
FOREIGN = [
    Config, Doc, Language, Model, NumpyOps, Optimizer, PyTorchShim, Tagger, Tensor,
    TextCategorizer, Tokenizer, Vocab, nn.LSTM, nn.Module,
]  # fmt: skip


def is_private(name):
    return re.match(r"_[A-Za-z]", str(name)) is not None


def private_names_of(kind):
    """What a class has, and what its methods write."""
    found = {name for name in dir(kind) if is_private(name)}
    for base in kind.__mro__:
        try:
            source = inspect.getsource(base)
        except (OSError, TypeError):
            # Compiled. Its instances tell.
            continue
        found |= set(re.findall(r"self\.(_[A-Za-z]\w*)", source))
    return found


@pytest.fixture(scope="module")
def foreign():
    nlp = spacy.blank("en")
    components = [nlp.add_pipe("textcat"), nlp.add_pipe("tagger")]
    found = set.union(*map(private_names_of, FOREIGN))
    return found | {name for pipe in components for name in vars(pipe) if is_private(name)}


def trees():
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf8"))


def names_in(tree):
    """Names of attributes, methods and modules, and texts, which may be names of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def attributes_in(tree):
    """Names of attributes, also as `getattr` takes them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr"):
            yield from (part.value for part in node.args if isinstance(part, ast.Constant))


def imports_in(tree):
    """Private modules and names that are imported from other packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
        else:
            continue
        yield from (name for name in modules if is_private(name.rpartition(".")[2]))


def defined_in(tree):
    """What is defined or written somewhere."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Store):
            yield node.attr if isinstance(node, ast.Attribute) else node.id


def heirs_of(kinds):
    """The names of classes, and of ours that extend them, however far, or are mixed into those."""
    bases = {
        node.name: {ast.unparse(base).split(".")[-1] for base in node.bases}
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found, before = {kind.__name__ for kind in kinds}, set()
    while found != before:
        before = set(found)
        found |= {name for name, above in bases.items() if above & found}
        found |= {name for heir in found for name in bases.get(heir, ())}
    return found


HEIRS = heirs_of(FOREIGN)


def private_uses(tree, own, foreign):
    """Private names of others in a module: those that nothing of ours defines, and those that a
    class of others has as well. The module's own do not count where it extends no such class."""
    # Public, though they begin with an underscore: those of named tuples.
    public = {"_replace", "_asdict", "_fields"}
    extends = any(isinstance(node, ast.ClassDef) and node.name in HEIRS for node in ast.walk(tree))
    mine = set() if extends else set(defined_in(tree))
    unknown = {name for name in attributes_in(tree) if is_private(name) and name not in own}
    shared = {name for name in names_in(tree) if is_private(name) and name in foreign - mine}
    return {*unknown, *shared, *imports_in(tree)} - public


def test_private_names_are_known(foreign):
    own = {name for _, tree in trees() for name in defined_in(tree)}
    found = {
        (module, name) for module, tree in trees() for name in private_uses(tree, own, foreign)
    }
    assert found == {(use.module, use.name) for use in KNOWN}


@pytest.mark.parametrize(
    "source, name",
    [
        ("shim._model", "_model"),
        ("getattr(node, '_dims')", "_dims"),
        ("tensor._nnz()", "_nnz"),
        ("self._examples_to_truth(examples)", "_examples_to_truth"),
        ("torch._C._jit_pass()", "_C"),
        ("from torch._C import default_generator", "torch._C"),
        ("from spacy.cli import _util", "spacy.cli._util"),
        ("import thinc._thing", "thinc._thing"),
        ("class RNNShim(PyTorchShim):\n def _grad_scaler(self): pass", "_grad_scaler"),
    ],
)
def test_a_private_name_is_found(source, name, foreign):
    assert name in private_uses(ast.parse(source), set(), foreign)


def test_the_version_at_hand_has_all_of_them():
    """If this fails, the new version has broken what `without` in the list says."""
    versions = f"spaCy {spacy.__version__}, thinc {thinc.__version__}, torch {torch.__version__}"
    util = import_module("spacy.cli._util")
    there = {
        "_reorder_mkldnn_rnn_layer_weight": hasattr(
            torch.ops.mkldnn, "_reorder_mkldnn_rnn_layer_weight"
        ),
        "_is_mkldnn_bf16_supported": hasattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported"),
        "spacy.cli._util": hasattr(util, "parse_config_overrides"),
        "_rehearsal_model": "_rehearsal_model" in vars(spacy.blank("en").add_pipe("textcat")),
        "_validate_categories": hasattr(TextCategorizer, "_validate_categories"),
        "_link_components": hasattr(Language, "_link_components"),
        "_is_amx_tile_supported": hasattr(torch.cpu, "_is_amx_tile_supported"),
    }
    assert set(there) == {use.name for use in KNOWN}
    if torch.__version__.startswith("2.4."):
        # The lowest version that is admitted does not have it yet.
        assert not there.pop("_is_amx_tile_supported")
    assert all(there.values()), f"{versions} lack some of {there}"


class Without:
    """An object, but for some of its attributes."""

    def __init__(self, kept, *names):
        self.kept, self.names = kept, names

    def __getattr__(self, name):
        if name in self.names:
            raise AttributeError(name)
        return getattr(self.kept, name)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_without_the_kernel_of_short_texts(bidirectional, monkeypatch):
    rnn = ragged_rnn.RaggedRNN(4, 6, bidirectional=bidirectional).eval()
    data = torch.randn(9, 4)
    expected = ShortReader(rnn).read(data.numpy())
    mkldnn = Without(torch.ops.mkldnn, "_reorder_mkldnn_rnn_layer_weight")
    monkeypatch.setattr(short_reader.torch.ops, "mkldnn", mkldnn)
    assert not short_reader._has_onednn()
    found = ShortReader(rnn).read(data.numpy())
    torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(expected))


def test_without_a_word_on_bfloat16(monkeypatch):
    mkldnn = Without(torch.ops.mkldnn, "_is_mkldnn_bf16_supported")
    monkeypatch.setattr(ragged_rnn.torch.ops, "mkldnn", mkldnn)
    rnn = ragged_rnn.RaggedRNN(4, 6, precision="bfloat16")
    data = torch.randn(9, 4)
    with pytest.warns(UserWarning, match="W001"):
        found, _ = rnn(data, torch.tensor([9]))
    exact = ragged_rnn.RaggedRNN(4, 6)
    exact.load_state_dict(rnn.state_dict())
    torch.testing.assert_close(found, exact(data, torch.tensor([9]))[0])


def test_without_the_parser_of_settings(monkeypatch, tmp_path):
    monkeypatch.delattr("spacy.cli._util.parse_config_overrides")
    command = ["init-vocab", str(tmp_path / "config.cfg"), str(tmp_path / "vocab.json")]
    result = CliRunner().invoke(_app.app, [*command, "--paths.train", "train.spacy"])
    assert result.exit_code == 1
    assert re.search("parse_config_overrides.*spacy.cli._util", result.output), result.output
    assert len(result.output.splitlines()) == 1
    config = ["init-config", "textcat", "-o", str(tmp_path / "made.cfg")]
    assert CliRunner().invoke(_app.app, config).exit_code == 0


def test_without_a_model_to_rehearse(nlp):
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe("textcat_lstm")
    del pipe._rehearsal_model
    before = pipe.model.to_bytes()
    assert pipe.rehearse(examples, sgd=optimizer) == {"textcat_lstm": 0.0}
    assert pipe.model.to_bytes() == before
    assert pipe.update(examples, sgd=optimizer)["textcat_lstm"] > 0


def test_doctor_without_private_names(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert _doctor_cpu.instructions("AVX2") == "AVX2"
