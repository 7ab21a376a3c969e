"""`spacy-rnn.PretrainLanguageModel.v1`: an objective for `spacy pretrain`."""

from typing import Any, Callable, Iterable, List, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import get_lang_class, registry
from spacy.vocab import Vocab
from thinc.api import Model

from ..layers.checks import check_at_least
from ..layers.language_model import language_model, perplexity
from .pretraining_log import PretrainingLog

Corpus = Callable[[Language], Iterable[Example]]


@registry.architectures("spacy-rnn.PretrainLanguageModel.v1")
def create_pretrain_language_model_v1(
    samples: int = 1024,
    dev: Optional[Corpus] = None,
    report_every: int = 1000000,
    max_epochs: int = 0,
) -> Callable[[Vocab, Model], Model]:
    """Pretrain a recurrent encoder by predicting the next word and, where the encoder reads in two
    directions, the word before: for `[pretraining.objective]`.

    What is saved are the weights and the vocabulary of the encoder. What only the objective has,
    a projection for each direction and a bias for each word, begins anew when pretraining is
    resumed: biases with how frequent words are, so that this costs some hundred batches.
    The learning rate begins anew as well. Schedules of the optimizer, which `spacy pretrain` by
    itself leaves where they begin, go on with each batch.

    samples: Number of words, drawn for each batch by how frequent they are, that the right word
        is told apart from (sampled softmax). From as many as there are words on, all of them.
    dev: Reader of some texts that are not pretrained on. Their perplexity over the whole
        vocabulary is printed; with 15,000 tokens that takes a second or two each time. They are
        split into words by the tokenizer of the pipeline's language.
    report_every: Print perplexity, speed and the time left after so many tokens; 0 never.
    max_epochs: As in `[pretraining]`, for the time left; 0 if not known.
    RETURNS: A function from the vocabulary and the encoder to the model that is trained.
    RAISES: ValueError for an argument out of its range, and, when it is called, for an encoder
        that is not made of a `spacy-rnn.VocabEmbed.v1` and a `spacy-rnn.RNNEncoder.v1`.
    """
    check_at_least("samples", samples, 1)
    check_at_least("report_every", report_every, 0)
    check_at_least("max_epochs", max_epochs, 0)

    def create_objective(vocab: Vocab, tok2vec: Model) -> Model:
        model = language_model(tok2vec, samples)
        heldout = HeldOut(model, vocab, dev) if dev is not None else None
        log = PretrainingLog(samples, report_every, max_epochs, heldout)
        model.attrs["loss"] = MeanLoss(log)
        return model

    return create_objective


class MeanLoss:
    """What `spacy pretrain` asks for the loss of a batch: the mean over all predictions."""

    def __init__(self, log: PretrainingLog):
        self.log = log

    def __call__(self, ops: Any, docs: List[Doc], losses: Any) -> Tuple[float, Any]:
        """ops: Of the model. docs: The batch. losses: Of its predictions, from the model.
        RETURNS: Their mean, and its gradient."""
        count = len(losses)
        mean = float(losses.mean()) if count else 0.0
        self.log.add(docs, mean * count, count)
        gradient: Any = ops.alloc1f(count)
        gradient += 1.0 / max(count, 1)
        return mean, gradient


class HeldOut:
    """Texts that are not pretrained on.

    model: The language model. vocab: Of the pipeline. corpus: Reads the texts.
    """

    def __init__(self, model: Model, vocab: Vocab, corpus: Corpus):
        self.model, self.vocab, self.corpus = model, vocab, corpus
        self.docs: List[Doc] = []

    def perplexity(self) -> float:
        """Their perplexity over the whole vocabulary, as it is now."""
        if not self.docs:
            # Not before: training also makes the objective, to read which layer was pretrained.
            nlp = get_lang_class(self.vocab.lang)(self.vocab)
            self.docs = [eg.predicted for eg in self.corpus(nlp)]
        return perplexity(self.model, self.docs)
