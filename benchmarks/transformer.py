"""Speed of trained pipelines against a transformer of BERT-base's size, side by side.

    python -m benchmarks.transformer training/textcat_lstm/model-best

All predict the same film reviews in one process, in turns. The pipelines are timed from text to
`doc.cats`. What is timed of the transformer is in its favour: its input is ready, one piece for
each of spaCy's tokens where its own tokenizer makes more of them; texts of similar length run
together; and the words of a text that it has no room for, those after the first 512, are not
counted. Its weights are random, which does not change its speed.
"""

import argparse
import statistics
from typing import Any, Callable, List, Optional

import spacy
import torch
from spacy.util import minibatch

from .accuracy import predictor
from .timing import markdown, median_ratio, rates_in_turns, reviews

FLOAT32, BFLOAT16 = "BERT-base's size, float32", "BERT-base's size, bfloat16"
# Pieces of a text that it reads, and texts of a batch.
LONGEST, BATCH = 512, 16


def random_bert() -> Any:
    try:
        from transformers import BertConfig, BertModel
    except ImportError as error:
        raise SystemExit("This needs: pip install spacy-rnn[transformers]") from error
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
    runs[FLOAT32] = transformer_run(model, lengths, torch.float32)
    runs[BFLOAT16] = transformer_run(model, lengths, torch.bfloat16)
    rates = rates_in_turns(runs, rounds=args.rounds)
    rows = [
        [
            name,
            f"{statistics.median(rates[name]):,.0f}",
            *(f"{median_ratio(rates, name, base):,.1f}x" for base in (FLOAT32, BFLOAT16)),
        ]
        for name in runs
    ]
    print(markdown(("", "words/s", "by float32's", "by bfloat16's"), rows))


if __name__ == "__main__":
    main()
