"""The tests of spaCy and thinc that this package's components and layers fail on purpose: for each
reason, which ones. They are expected to fail: one that passes is an error of this table."""

DIFFERENCES = {
    "`textcat_lstm` refuses a model for labels that do not exclude each other.": [
        "test_textcat.py::test_issue5551[textcat_config3]",
        "test_textcat.py::test_issue5551[textcat_config4]",
        "test_textcat.py::test_issue5551[textcat_config5]",
        "test_textcat.py::test_no_resize[textcat-textcat_config4]",
        "test_textcat.py::test_textcat_configs[textcat-train_data3-textcat_config3]",
    ],
    "The loss is a cross-entropy, which is larger than a squared error of the same scores.": [
        "test_tagger.py::test_incomplete_data",
        "test_tagger.py::test_overfitting_IO",
        "test_textcat.py::test_overfitting_IO",
        "test_textcat.py::test_overfitting_IO_multi",
        "test_textcat.py::test_textcat_loss[False-0.125]",
    ],
    "With spaCy's learn rate, a recurrent net in `tok2vec` takes more steps than its own.": [
        "test_tok2vec.py::test_tok2vec_frozen_overfitting",
        "test_tok2vec.py::test_tok2vec_listener_overfitting",
    ],
    "Words are learned by the component, from all texts: a model alone sees ten of them.": [
        "test_models.py::test_components_batching_array[textcat]",
        "test_models.py::test_components_batching_list[tagger]",
    ],
    "A fitted model tells texts apart before it is trained: the test swaps their scores.": [
        "test_textcat.py::test_issue9904",
    ],
}
