"""Annotation by Ray's workers, some of which are killed."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.language import Language
from typer.testing import CliRunner

from spacy_rnn.annotation import Annotator
from spacy_rnn.annotation.ray_session import ray_session
from spacy_rnn.annotation.run import carry_out, make_plan
from spacy_rnn.cli import app
from tests.annotation.conftest import bad_rows, rows_of, text_of, write_jsonl
from tests.annotation.test_job import equal, predicted

ray = pytest.importorskip("ray", reason="needs Ray: pip install spacy-rnn[ray]")
pytest.importorskip("ray.data", reason="needs Ray Data: pip install spacy-rnn[ray]")
psutil = pytest.importorskip("psutil")

REPOSITORY = Path(__file__).parents[2]


def settings_of_the_process():
    import ray.data

    context = ray.data.DataContext.get_current()
    return (
        # Where pytest says which test is running.
        {**os.environ, "PYTEST_CURRENT_TEST": ""},
        [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        [logging.getLogger(name).level for name in ("ray", "ray.data")],
        (context.enable_progress_bars, context.print_on_execution_start),
        os.fstat(2),
    )


@pytest.fixture(scope="module")
def session():
    """Ray on this machine, which all tests here use. It leaves the process as it was."""
    before = settings_of_the_process()
    with ray_session(2) as found:
        yield found
    assert settings_of_the_process() == before and not ray.is_initialized()


def workers():
    """The processes of this one's Ray that annotate."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if "(MapBatches(Worker))" in name_of(process)]


def name_of(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_workers_that_are_killed(session, pipelines, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 900)
    plan = make_plan(
        str(pipelines / "cat"), [str(path)], str(tmp_path / "out"), format="jsonl", rows=15
    )
    killed, outcomes = [], []

    def progress(outcome):
        outcomes.append(outcome.number)
        if len(outcomes) == 3:
            for process in workers():
                process.kill()
                killed.append(process.pid)

    totals = carry_out(plan, workers=2, progress=progress)
    assert len(killed) == 2 and sorted(outcomes) == list(range(60))
    assert (totals.parts, totals.written, totals.bad) == (60, 900, 0)
    assert equal(rows_of(tmp_path / "out"), predicted(pipelines / "cat", path))
    # Half a part is seen by nobody.
    names = {found.name.split("-")[0] for found in (tmp_path / "out").iterdir()}
    assert names == {"part", "_annotate.json", "_partitions.jsonl"}


def command(*arguments):
    return [sys.executable, "-m", "spacy_rnn", "annotate", *map(str, arguments)]


def test_a_command_that_is_killed(session, pipelines, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 3000)
    with path.open("a") as file:
        file.write("{oops\n")
    out = tmp_path / "out"
    arguments = [pipelines / "cat", path, out, "--format", "jsonl", "--rows", 15, "--workers", 2]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    running = subprocess.Popen(
        command(*arguments),
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 300
        while len(list(out.glob("part-*"))) < 5 and running.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    there = {found: found.stat().st_mtime_ns for found in out.glob("part-*")}
    assert 5 <= len(there) < 201
    result = CliRunner().invoke(app, ["annotate", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    printed = " ".join(result.stdout.split())
    # A worker may have finished its part after the command was gone.
    found = re.search(rf"(\d+) of 201 parts are in {out} already", printed)
    assert len(there) <= int(found.group(1)) <= len(there) + 2
    assert "3,000 texts in 201 part(s)" in printed
    assert f"1 row(s) could not be used: they are in {out}/_bad" in result.stderr
    assert equal(rows_of(out), predicted(pipelines / "cat", path))
    assert [row["line"] for row in bad_rows(out)] == [3001]
    # What was done is not done again.
    assert {found: found.stat().st_mtime_ns for found in there} == there
    again = CliRunner().invoke(app, ["annotate", *map(str, arguments), "--strict"])
    assert again.exit_code == 1 and "201 of 201 parts" in again.stdout


@Language.component("only_here", assigns=["doc.cats"])
def only_here(doc):
    doc.cats = {"X": 1.0}
    return doc


def test_a_pipeline_that_workers_cannot_load(session, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("only_here")
    nlp.to_disk(tmp_path / "model")
    path = write_jsonl(tmp_path / "a.jsonl", 3)
    arguments = ["annotate", str(tmp_path / "model"), str(path), str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--workers", "1"])
    assert result.exit_code == 1 and result.stderr.count("\n") == 1, result.stderr
    assert "R857" in result.stderr and "'only_here'" in result.stderr and "E002" in result.stderr
    assert not list((tmp_path / "out").glob("part-*"))


def test_a_file_that_has_changed(session, pipelines, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 6)
    plan = make_plan(str(pipelines / "cat"), [str(path)], str(tmp_path / "out"), rows=3)
    path.write_bytes(path.read_bytes()[: plan.partitions[1].part.begin + 10])
    with pytest.raises(ValueError, match="R864.*a.jsonl, from line 4 on.*shorter"):
        carry_out(plan, workers=1)
    path = write_jsonl(tmp_path / "b.jsonl", 6)
    plan = make_plan(str(pipelines / "cat"), [str(path)], str(tmp_path / "b"), rows=3)
    path.write_bytes(path.read_bytes().replace(b"}\n{", b"}  "))
    with pytest.raises(ValueError, match="R860.*Part 0 should have 3 rows, but has 0, and 1"):
        carry_out(plan, workers=1)


def test_no_row_can_be_used(session, pipelines, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": ""}\n' * 5)
    arguments = ["annotate", str(pipelines / "cat"), str(path), str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--workers", "1"])
    assert result.exit_code == 1 and "R610" in result.stderr and "/out/_bad" in result.stderr
    assert len(bad_rows(tmp_path / "out")) == 5


@pytest.mark.parametrize("format", ["pandas", "pyarrow", "numpy"])
def test_a_dataset_of_ray(session, pipelines, format):
    texts = [text_of(i) for i in range(20)] + ["", "  "]
    data = session.data.from_items([{"id": i, "text": text} for i, text in enumerate(texts)])
    found = data.map_batches(
        Annotator,
        fn_constructor_kwargs={"model": str(pipelines / "both")},
        compute=session.data.ActorPoolStrategy(size=1),
        batch_format=format,
        batch_size=8,
    ).take_all()
    nlp = spacy.load(pipelines / "both")
    assert sorted(row["id"] for row in found) == list(range(22))
    for row in found:
        if not row["text"].strip():
            assert row["problem"] == "no text" and row["label"] is None
            continue
        doc = nlp(row["text"])
        assert row["problem"] is None and row["label"] == max(doc.cats, key=doc.cats.get)
        assert row["cats"] == pytest.approx(doc.cats, abs=1e-5)
        tags = [(token["text"], token["pos"]) for token in row["tokens"]]
        assert tags == [(token.text, token.pos_) for token in doc]


def test_batches_in_this_process(pipelines):
    pandas = pytest.importorskip("pandas")
    pa = pytest.importorskip("pyarrow")
    annotator = Annotator(str(pipelines / "cat"), text_column="body")
    cells = {"body": [text_of(1), None, text_of(2)], "label": [1, 2, 3]}
    batches = [
        pandas.DataFrame(cells, index=[5, 6, 7]),
        pa.table(cells),
        {name: numpy.array(values, dtype=object) for name, values in cells.items()},
    ]
    first, table, arrays = (annotator(batch) for batch in batches)
    assert list(first) == ["body", "label", "predicted_label", "cats", "problem"]
    assert list(first.index) == [5, 6, 7] and list(first["label"]) == [1, 2, 3]
    assert list(first["predicted_label"].isna()) == [False, True, False]
    found = table.to_pylist()
    assert [row["problem"] for row in found] == [None, "no text", None]
    assert [row["cats"] for row in found] == list(arrays["cats"])
    assert found[0]["predicted_label"] == max(found[0]["cats"], key=found[0]["cats"].get)
    with pytest.raises(ValueError, match="R853.*'body'.*It has: text"):
        annotator({"text": ["a"]})
    with pytest.raises(TypeError, match="R861.*list"):
        annotator(["a"])
    assert json.dumps(found[0]["cats"])


def test_the_benchmark(session, pipelines, tmp_path, capsys):
    from benchmarks import annotate

    settings = {"reviews": 200, "rows": 10, "workers": [1, 2], "rounds": 1, "format": "jsonl"}
    args = Namespace(model=str(pipelines / "cat"), **settings)
    annotate.kill_one(args, tmp_path)
    assert "200 reviews" in (printed := capsys.readouterr().out) and "every row once" in printed
    annotate.compare_workers(args, tmp_path)
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 4 and lines[2].split("|")[3].strip() == "1.00"
