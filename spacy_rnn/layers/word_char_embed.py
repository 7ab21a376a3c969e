"""`spacy-rnn.WordCharEmbed.v1`: embeddings of words beside those of their characters."""

from spacy.ml.staticvectors import StaticVectors
from spacy.util import registry
from thinc.api import Model, chain, ragged2list

from ..types import RowsOut, TokensIn
from .concat_embed import side_by_side
from .running import TokensAlone


@registry.architectures("spacy-rnn.WordCharEmbed.v1")
def build_word_char_embed_v1(
    words: Model[TokensIn, RowsOut],
    chars: Model[TokensIn, RowsOut],
    include_static_vectors: bool = False,
) -> Model[TokensIn, RowsOut]:
    """What is known of a word itself, beside what its characters tell of it: for the
    `embed` slot of `spacy.Tok2Vec.v2`.

    words: Embeddings of words, as `spacy-rnn.VocabEmbed.v1`.
    chars: Embeddings of their characters, as `spacy-rnn.CharRNNEmbed.v1`.
    include_static_vectors: Add the pipeline's word vectors, which training leaves as they
        are, projected to the width of `words`: `[initialize] vectors` names them. They are
        found as words are written only; `spacy-rnn.ConcatEmbed.v1` over
        `spacy-rnn.StaticVectors.v1` finds more.
    RETURNS: A model from documents to one array per document, of shape (tokens, width),
        where the widths of the parts add up.
    """
    parts = [words, chars]
    if include_static_vectors:
        width = words.get_dim("nO")
        vectors: Model = chain(StaticVectors(nO=width), ragged2list())
        vectors.set_dim("nO", width)
        vectors.attrs["running"] = TokensAlone
        parts.append(vectors)
    return side_by_side("word_char_embed", parts)
