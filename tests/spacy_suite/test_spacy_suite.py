"""The tests that spaCy and thinc ship run with this package's components in place of theirs."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
import spacy

from tests.spacy_suite.differences import DIFFERENCES

pytest.importorskip("spacy.tests", reason="this spaCy came without its tests")
pytest.importorskip("thinc.tests", reason="this thinc came without its tests")

INSTALLED = Path(spacy.__file__).parent.parent
# Those that make a text classifier, a tagger, or a layer that can be swapped.
TESTS = [
    "spacy/tests/pipeline/test_models.py",
    "spacy/tests/pipeline/test_pipe_factories.py",
    "spacy/tests/pipeline/test_pipe_methods.py",
    "spacy/tests/pipeline/test_tagger.py",
    "spacy/tests/pipeline/test_textcat.py",
    "spacy/tests/pipeline/test_tok2vec.py",
    "spacy/tests/serialize/test_resource_warning.py",
    "spacy/tests/serialize/test_serialize_config.py",
    "spacy/tests/serialize/test_serialize_doc.py",
    "spacy/tests/serialize/test_serialize_language.py",
    "spacy/tests/serialize/test_serialize_pipeline.py",
    "spacy/tests/test_cli.py::test_cli_info",
    "spacy/tests/test_cli.py::test_init_labels",
    "spacy/tests/test_language.py",
    "spacy/tests/test_models.py",
    "spacy/tests/test_ty.py",
    "spacy/tests/training/test_pretraining.py",
    "spacy/tests/training/test_readers.py::test_readers",
    "spacy/tests/training/test_rehearse.py",
    "spacy/tests/training/test_training.py",
    "thinc/tests/layers/test_layers_api.py",
    "thinc/tests/layers/test_lstm.py",
]


def outcome_of(case):
    """Passed, failed, different on purpose, or skipped, as some of spaCy's are by its own marks."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "different" if skipped.get("message") in DIFFERENCES else "skipped"


def made_in(case, kind):
    return sum(int(fact.get("value")) for fact in case.iter("property") if fact.get("name") == kind)


def test_tests_of_spacy_and_thinc(tmp_path):
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-p", "tests.spacy_suite.plugin", "--slow"]
    command += ["-p", "no:cacheprovider", "-p", "no:warnings", "-o", "junit_family=xunit1"]
    command += ["-c", os.devnull, "--rootdir", str(INSTALLED), "--junitxml", str(report)]
    command += [str(INSTALLED / test) for test in TESTS]
    root = str(Path(__file__).parents[2])
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    cases = list(ElementTree.parse(report).iter("testcase"))
    outcomes = Counter(map(outcome_of, cases))
    made = {kind: sum(made_in(case, kind) for case in cases) for kind in ("pipes", "layers")}
    swapped = [case for case in cases if made_in(case, "pipes") or made_in(case, "layers")]
    print(dict(outcomes), "made", made, "in", Counter(map(outcome_of, swapped)))
    assert not outcomes["failed"] and outcomes["passed"] > 500
    # They did run with this package's.
    assert made["pipes"] > 200 and made["layers"] > 200 and len(swapped) > 250
