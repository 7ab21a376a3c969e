"""Scores of tags: accuracy, accuracy on words never seen in training, and F by tag."""

from collections import defaultdict
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Tuple

import numpy
from spacy.scorer import PRFScore, Scorer
from spacy.tokens import Token
from spacy.training import Example
from spacy.util import registry


@registry.scorers("spacy-rnn.tagger_scorer.v1")
def create_tagger_scorer_v1() -> Callable[..., Dict[str, Any]]:
    """Make the scorer of `tagger_bilstm`."""
    return score_tags


def score_tags(
    examples: Iterable[Example],
    *,
    token_attr: str = "POS",
    seen_words: Optional[numpy.ndarray] = None,
    **cfg: Any,
) -> Dict[str, Any]:
    """Score tags as spaCy does; blank tokens do not count.

    examples: The examples.
    token_attr: "POS" or "TAG".
    seen_words: Hashes of the words that training has seen.
    RETURNS: For "POS": `pos_acc`, `pos_acc_unseen` (the accuracy on words that are not
        among those seen; None where there are none), and `pos_per_type` (precision,
        recall and F of each tag). For "TAG" the same with `tag`. For both, the two accuracies
        as `tagging_acc` and `tagging_acc_unseen` too, so that a config can weigh them whatever
        the attribute.
    """
    examples = list(examples)
    attr = token_attr.lower()
    name = f"{attr}_"
    seen = set() if seen_words is None else set(seen_words.tolist())

    def tag(token: Token, _: str) -> str:
        return "" if token.is_space else getattr(token, name)

    def tag_if_unseen(token: Token, _: str) -> str:
        return "" if token.orth in seen else tag(token, name)

    scores = Scorer.score_token_attr(examples, attr, getter=tag)
    unseen = Scorer.score_token_attr(examples, attr, getter=tag_if_unseen)
    scores[f"{attr}_acc_unseen"] = unseen[f"{attr}_acc"]
    for score in ("acc", "acc_unseen"):
        scores[f"tagging_{score}"] = scores[f"{attr}_{score}"]
    scores[f"{attr}_per_type"] = _score_per_type(examples, name)
    return scores


def _score_per_type(examples: Iterable[Example], name: str) -> Dict[str, Dict[str, float]]:
    found: Dict[str, PRFScore] = defaultdict(PRFScore)
    for eg in examples:
        for gold, guess in _pairs(eg, name):
            if gold == guess:
                found[gold].tp += 1
            else:
                found[gold].fn += 1
                found[guess].fp += 1
    return {label: found[label].to_dict() for label in sorted(found) if label}


def _pairs(eg: Example, name: str) -> Iterator[Tuple[str, str]]:
    """The tags in the reference, and those predicted where the tokens are the same."""
    gold_to_guess = eg.alignment.y2x
    guess_to_gold = eg.alignment.x2y
    for gold in eg.reference:
        value = getattr(gold, name)
        if not value or gold.is_space:
            continue
        places = gold_to_guess[gold.i]
        same = len(places) == 1 and guess_to_gold.lengths[places[0]] == 1
        yield value, getattr(eg.predicted[int(places[0])], name) if same else ""
