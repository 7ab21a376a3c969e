import pytest

from spacy_rnn.training.score_columns import score_cell, score_headings


@pytest.mark.parametrize(
    "names,headings",
    [
        (["cats_micro_f"], ["ACCURACY"]),
        (["cats_micro_f", "cats_macro_f"], ["ACCURACY", "MACRO F"]),
        (["cats_score", "cats_macro_auc"], ["CATS SCORE", "MACRO AUC"]),
        (["tagging_acc", "tagging_acc_unseen"], ["ACCURACY", "UNSEEN"]),
        (["pos_acc", "pos_acc_unseen"], ["ACCURACY", "UNSEEN"]),
        (["tag_acc", "tag_acc_unseen"], ["ACCURACY", "UNSEEN"]),
        # Of several things: each says of which.
        (["cats_micro_f", "tagging_acc"], ["CATS ACC", "TAGGING ACC"]),
        (["pos_acc", "tag_acc"], ["POS ACC", "TAG ACC"]),
        (["cats_macro_f", "ents_f"], ["CATS MACRO F", "ENTS F"]),
        (["ents_p", "ents_f"], ["ENTS P", "ENTS F"]),
        ([], []),
    ],
)
def test_headings(names, headings):
    assert score_headings(names, exclusive=True) == headings


def test_micro_f_is_no_accuracy_where_labels_do_not_exclude_each_other():
    assert score_headings(["cats_micro_f"], exclusive=False) == ["MICRO F"]
    found = score_headings(["cats_micro_f", "tag_acc"], exclusive=False)
    assert found == ["CATS MICRO F", "TAG ACC"]


@pytest.mark.parametrize(
    "name,value,cell",
    [
        ("cats_micro_f", 0.8754, "87.54"),
        ("cats_micro_f", 1, "100.00"),
        ("tagging_acc_unseen", None, "-"),
        ("cats_f_per_type", {"A": {"f": 1.0}}, "-"),
        ("speed", 12345.6, "12,346"),
    ],
)
def test_cells(name, value, cell):
    assert score_cell(name, value) == cell
