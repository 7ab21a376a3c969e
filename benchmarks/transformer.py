"""Speed of trained pipelines against a transformer of BERT-base's size, side by side.

    python -m benchmarks.transformer training/textcat_lstm/model-best

All predict the same film reviews in one process, in turns. The pipelines are timed from text to
`doc.cats`. What is timed of the transformer is in its favour: its input is ready, one piece for
each of spaCy's tokens where its own tokenizer makes more of them; texts of similar length run
together; and the words of a text that it has no room for, those after the first 512, are not
counted. Its weights are random, which does not change its speed. In bfloat16 it is timed where the
CPU has that: elsewhere torch emulates it, many times as slowly.
"""

import argparse
import statistics
from typing import Any, Callable, List, Optional

import spacy
import torch
from spacy.util import minibatch

from spacy_rnn.engine.ragged_rnn import has_bfloat16

from .accuracy import predictor
from .timing import markdown, median_ratio, rates_in_turns, reviews

FLOAT32, BFLOAT16 = "BERT-base's size, float32", "BERT-base's size, bfloat16"
# Pieces of a text that it reads, and texts of a batch.
LONGEST, BATCH = 512, 16


def random_bert() -> Any:
    try:
        from transformers import BertConfig, BertModel
    except ImportError as error:
        raise SystemExit("This needs: pip install 'spacy-rnn[transformers]'") from error
    torch.manual_seed(0)
    return BertModel(BertConfig()).eval()


def transformer_run(model: Any, lengths: List[int], dtype: torch.dtype) -> Callable[[], int]:
    """lengths: Tokens of each text."""
    batches = list(minibatch(sorted(min(length, LONGEST) for length in lengths), BATCH))

    def run() -> int:
        with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            for batch in batches:
                mask = torch.arange(max(batch)) < torch.tensor(batch)[:, None]
                ids = torch.randint(model.config.vocab_size, mask.shape)
                model(input_ids=ids, attention_mask=mask.long())
        return sum(map(sum, batches))

    return run


def main(argv: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pipelines", nargs="+", help="names or folders of trained pipelines")
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(argv)
    texts = [record.text for record in reviews(args.texts)]
    lengths = [len(doc) for doc in spacy.blank("en").tokenizer.pipe(texts)]
    model = random_bert()
    runs = {name: predictor(spacy.load(name), texts, sum(lengths)) for name in args.pipelines}
    dtypes = {FLOAT32: torch.float32}
    if has_bfloat16(torch.device("cpu")):
        dtypes[BFLOAT16] = torch.bfloat16
    runs |= {name: transformer_run(model, lengths, dtype) for name, dtype in dtypes.items()}
    rates = rates_in_turns(runs, rounds=args.rounds)
    rows = [
        [
            name,
            f"{statistics.median(rates[name]):,.0f}",
            *(f"{median_ratio(rates, name, base):,.1f}x" for base in dtypes),
        ]
        for name in runs
    ]
    print(markdown(("", "words/s", "by float32's", "by bfloat16's")[: 2 + len(dtypes)], rows))


if __name__ == "__main__":
    main()
