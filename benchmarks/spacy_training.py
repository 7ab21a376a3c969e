"""What benchmarks train as `spacy train` does: spaCy's own classifiers of texts, and configs."""

import io
import tempfile
from pathlib import Path
from typing import Any, Dict

import spacy
from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

EXCLUSIVE_WEIGHTS = {"cats_micro_f": 0.5, "cats_macro_f": 0.5}
MULTILABEL_WEIGHTS = {"cats_macro_auc": 1.0}


def bow_model(exclusive: bool = True) -> Dict[str, Any]:
    """spaCy's bag of words."""
    return {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": exclusive,
        "length": 262144,
        "ngram_size": 1,
        "no_output_layer": False,
    }


def cnn_model() -> Dict[str, Any]:
    """spaCy's convolutional net, with the settings that its documentation has."""
    tok2vec = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 96,
        "depth": 4,
        "embed_size": 2000,
        "window_size": 1,
        "maxout_pieces": 3,
        "subword_features": True,
    }
    return {
        "@architectures": "spacy.TextCatReduce.v1",
        "exclusive_classes": True,
        "use_reduce_first": False,
        "use_reduce_last": False,
        "use_reduce_max": False,
        "use_reduce_mean": True,
        "tok2vec": tok2vec,
    }


def spacys_config(settings: Dict[str, Any], exclusive: bool = True) -> Config:
    """spaCy's default config with one of its text classifiers. settings: Of the component."""
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat" if exclusive else "textcat_multilabel", config=settings)
    config = nlp.config.copy()
    weights = config["training"]["score_weights"]
    weights.update(dict.fromkeys(weights, None))
    weights.update(EXCLUSIVE_WEIGHTS if exclusive else MULTILABEL_WEIGHTS)
    return config


def train_config(config: Config, train_path: Path, dev_path: Path, seed: int) -> Language:
    """Train as `spacy train` does. RETURNS: The pipeline of the step that is best on dev."""
    config["paths"].update(train=str(train_path), dev=str(dev_path))
    config["system"]["seed"] = seed
    nlp = init_nlp(config)
    with tempfile.TemporaryDirectory() as folder:
        train(nlp, Path(folder), stdout=io.StringIO(), stderr=io.StringIO())
        return spacy.load(Path(folder) / "model-best")
