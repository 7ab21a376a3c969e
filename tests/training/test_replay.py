"""spaCy's loop passes over steps that were done before, and counts and decides as it did then."""

from spacy.training.loop import train_while_improving
from thinc.api import Adam

from spacy_rnn.training.replay import Replay
from tests.conftest import make_examples

SCORES = [0.5, 0.8, 0.8, 0.6, 0.7, 0.6]


def run(nlp, patience=0, max_steps=0, **past):
    """RETURNS: What the loop says of each step; the steps that were learned, and that
    `before_update` was called for."""
    learned, called, scores = [], [], iter(SCORES[len(past.get("evaluations", ())) :])
    replay = Replay(
        nlp,
        nlp,
        lambda: (next(scores), {}),
        lambda nlp, args: called.append((nlp, args["step"])),
        **past,
    )

    finished = []
    nlp.get_pipe("textcat_lstm").finish_update = finished.append

    def update(examples, *, drop, losses, **settings):
        learned.append((replay.step, round(drop, 2)))
        losses["textcat_lstm"] = losses.get("textcat_lstm", 0.0) + replay.step

    nlp.update = update
    optimizer = Adam(iter(i / 10 for i in range(20)))
    steps = train_while_improving(
        replay,
        optimizer,
        ((i // 4, make_examples(nlp)) for i in range(12)),
        replay.evaluate,
        dropout=iter([i / 10 for i in range(20)]),
        eval_frequency=2,
        accumulate_gradient=1,
        patience=patience,
        max_steps=max_steps,
        exclude=[],
        annotating_components=[],
        before_update=replay.before_update,
    )
    found = [
        {k: info[k] for k in ("step", "epoch", "score", "words")}
        | {
            "losses": dict(info["losses"]),
            "best": best,
            "checkpoints": list(info["checkpoints"]),
            "rate": optimizer.learn_rate,
        }
        for _, info, best in steps
    ]
    assert all(pipeline is nlp for pipeline, _ in called)
    assert finished == [optimizer] * len(learned)
    return found, learned, [step for _, step in called]


def past_of(found, last):
    """What is known of the steps up to one of them."""
    evaluations = [
        {"step": step["step"], "score": step["score"], "other_scores": {}, "losses": step["losses"]}
        for step in found[: last + 1]
        if step["best"] is not None
    ]
    return {"last": last, "evaluations": evaluations, "losses": found[last]["losses"]}


def test_goes_on_after_any_step(nlp):
    nlp.initialize(lambda: make_examples(nlp))
    for limits in ({"patience": 5}, {"max_steps": 9}, {}):
        expected, learned, called = run(nlp, **limits)
        assert called == [step for step, _ in learned] == list(range(len(expected)))
        for last in range(len(expected)):
            again, learned_again, called_again = run(nlp, **limits, **past_of(expected, last))
            assert learned_again == learned[last + 1 :] and called_again == called[last + 1 :]
            # Of losses between two evaluations, only the last ones are known.
            kept = [i for i, step in enumerate(expected) if i >= last or step["best"] is not None]
            assert [again[i] for i in kept] == [expected[i] for i in kept]
            assert len(again) == len(expected)
