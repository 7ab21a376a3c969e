"""What is begun, gone on with, and refused."""

import os
import re
import shutil
import sys
from types import SimpleNamespace

import pytest
import spacy
from typer.testing import CliRunner

from spacy_rnn.annotation import ray_session as session_module
from spacy_rnn.annotation.job import Outcome, Worker
from spacy_rnn.annotation.output_folder import OutputFolder
from spacy_rnn.annotation.ray_session import run_partitions
from spacy_rnn.annotation.run import _check_outcome, _count, make_plan
from spacy_rnn.cli import app
from tests.annotation.conftest import rows_of, write_jsonl
from tests.annotation.test_job import annotate, equal, predicted

ray = pytest.importorskip("ray", reason="needs Ray: pip install spacy-rnn[ray]")
parquet = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")


def make(model, path, output, **settings):
    return make_plan(str(model), [str(path)], str(output), **settings)


def test_another_run_goes_on(pipelines, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 20)
    settings = {"format": "jsonl", "rows": 4}
    plan = make(pipelines / "cat", path, tmp_path / "out", **settings)
    assert plan.rows() == 20 and [part.number for part in plan.missing] == [0, 1, 2, 3, 4]
    for number in (3, 0):
        assert not Worker(plan.job).run(plan.partitions[number]).error
    # Of a process that was killed.
    unfinished = tmp_path / "out" / ".annotate-x"
    unfinished.mkdir()
    (unfinished / "part").write_text("half")
    # The pipeline may be elsewhere by now.
    shutil.copytree(pipelines / "cat", tmp_path / "moved")
    plan = make(tmp_path / "moved", path, tmp_path / "out", **settings)
    assert [part.number for part in plan.missing] == [1, 2, 4] and plan.rows() == 12
    assert not unfinished.exists()
    totals = annotate(tmp_path / "moved", path, tmp_path / "out", **settings)
    assert totals[:4] == (5, 2, 20, 0)
    assert equal(rows_of(tmp_path / "out"), predicted(pipelines / "cat", path))


class Killed(BaseException):
    """Stands for a kill: nothing of the process runs after it."""


def test_killed_at_any_call(pipelines, tmp_path, monkeypatch):
    """Whatever a worker was at when it ended, each row is there once after the next run."""
    path = write_jsonl(tmp_path / "a.jsonl", 4)
    with path.open("a") as file:
        file.write("{oops\n")
    settings = {"format": "jsonl"}
    expected, number, ended = predicted(pipelines / "cat", path)[:4], 0, False
    worker = None
    while not ended:
        out = tmp_path / str(number)
        plan = make(pipelines / "cat", path, out, **settings)
        worker = Worker(plan.job) if worker is None else worker
        worker.job = plan.job
        left = [number]

        def before(call, left=left):
            def counted(*args, **kwargs):
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return call(*args, **kwargs)

            return counted

        with monkeypatch.context() as patched:
            for name in ("replace", "fsync", "makedirs", "rmdir", "mkdir", "unlink", "open"):
                patched.setattr(os, name, before(getattr(os, name)))
            try:
                worker.run(plan.partitions[0])
                ended = True
            except Killed:
                pass
        plan = make(pipelines / "cat", path, out, **settings)
        outcomes = {part.number: worker.run(part) for part in plan.missing}
        totals = _count(plan, outcomes, 0)
        assert (totals.written, totals.bad) == (4, 1), number
        assert equal(rows_of(out), expected)
        number += 1
    assert number > 5


@pytest.mark.parametrize(
    "change,message",
    [
        ({"rows": 5}, "settings rows was 4, and is 5 now"),
        ({"columns": ["text"]}, "settings columns was None, and is"),
        ({"text_column": "id"}, "settings text_column was text, and is id now"),
        ({"format": "csv"}, "settings format was jsonl, and is csv now"),
        ({"model": "both"}, "model checksum was .*, and is"),
        ({"input": "b.jsonl"}, "a.jsonl is missing now; inputs .*b.jsonl is new"),
        ({"longer": True}, "a.jsonl size was .*, and is"),
    ],
)
def test_other_settings_are_refused(pipelines, tmp_path, change, message):
    path = write_jsonl(tmp_path / "a.jsonl", 8)
    other = write_jsonl(tmp_path / "b.jsonl", 9)
    settings = {"format": "jsonl", "rows": 4}
    annotate(pipelines / "cat", path, tmp_path / "out", **settings)
    before = rows_of(tmp_path / "out")
    model = pipelines / change.pop("model", "cat")
    if change.pop("longer", False):
        path.write_bytes(other.read_bytes())
    path = tmp_path / change.pop("input", "a.jsonl")
    with pytest.raises(ValueError, match=f"R856.*{message}"):
        make(model, path, tmp_path / "out", **{**settings, **change})
    assert rows_of(tmp_path / "out") == before
    plan = make(model, path, tmp_path / "out", **{**settings, **change}, overwrite=True)
    assert len(plan.missing) == len(plan.partitions) and not rows_of(tmp_path / "out")


def test_a_folder_of_something_else_stays(pipelines, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 2)
    out = tmp_path / "out"
    out.mkdir()
    (out / "part-000000.jsonl").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="R855.*out"):
            make(pipelines / "cat", path, out, overwrite=overwrite)
    assert (out / "part-000000.jsonl").read_text() == "mine"
    with pytest.raises(ValueError, match="R855.*a.jsonl"):
        make(pipelines / "cat", path, path)


@pytest.mark.parametrize("name", ["_annotate.json", "_partitions.jsonl"])
@pytest.mark.parametrize("data", [b"{", b"[1]\n", b"\xff"])
def test_damaged_manifests(pipelines, tmp_path, name, data):
    path = write_jsonl(tmp_path / "a.jsonl", 2)
    annotate(pipelines / "cat", path, tmp_path / "out")
    (tmp_path / "out" / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"R862.*{name} is damaged"):
        make(pipelines / "cat", path, tmp_path / "out")
    make(pipelines / "cat", path, tmp_path / "out", overwrite=True)


def test_a_part_without_all_its_rows(pipelines, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 6)
    for format in ("jsonl", "csv", "parquet"):
        out = tmp_path / format
        settings = {"format": format, "rows": 3}
        annotate(pipelines / "cat", path, out, **settings)
        assert _count(make(pipelines / "cat", path, out, **settings), {}, 0).written == 6
        # As if someone had exchanged it.
        other = tmp_path / f"other-{format}"
        annotate(pipelines / "cat", path, other, **{**settings, "rows": 2})
        shutil.copy(other / f"part-000001.{format}", out / f"part-000001.{format}")
        with pytest.raises(ValueError, match="R860.*Part 1 should have 3 rows, but has 2, and 0"):
            _count(make(pipelines / "cat", path, out, **settings), {}, 0)


def test_tables_that_do_not_fit_each_other(pipelines, tmp_path):
    def write(name, **cells):
        parquet.write_table(pa.table({"text": ["a b", "c"], **cells}), tmp_path / name)

    write("a.parquet", id=[1, 2])
    write("b.parquet", id=["1", "2"])
    write("c.parquet", id=[1, 2], more=[1, 2])
    (tmp_path / "d.csv").write_text("text,id\nx,3\n")

    def both(name, **settings):
        inputs = [str(tmp_path / "a.parquet"), str(tmp_path / name)]
        return make_plan(str(pipelines / "cat"), inputs, str(tmp_path / "out"), **settings)

    with pytest.raises(ValueError, match=r"R854.*b.parquet.*'id' \(string\).*\(int64\)"):
        both("b.parquet")
    with pytest.raises(ValueError, match=r"R854.*c.parquet.*'more'.*no such column"):
        both("c.parquet")
    with pytest.raises(ValueError, match=r"R854.*d.csv.*'id'"):
        both("d.csv")
    both("d.csv", columns=["text"])
    both("c.parquet", columns=["id"], overwrite=True)
    both("b.parquet", format="jsonl", overwrite=True)


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["cat", "nothing.jsonl", "out"], "R401.*nothing.jsonl"),
        (["cat", "empty", "out"], "R852.*empty: of 1 file.*.txt, .csv"),
        (["cat", "*.md", "out"], "R852.*of 1 file"),
        (["cat", "a.xlsx", "out"], "R406.*a.xlsx"),
        (["cat", "nowhere://a.jsonl", "out"], "R851.*nowhere"),
        (["cat", "a.jsonl", "out", "--text-column", "body"], "R853.*a.jsonl.*'body'.*: id, text"),
        (["cat", "a.jsonl", "out", "--columns", "id,x"], "R853.*a.jsonl has no column 'x'"),
        (["cat", "a.csv", "out", "--text-column", "body"], "R402.*a.csv.*'body'"),
        (["cat", "a.csv", "out", "--delimiter", "::"], "R414"),
        (["cat", "a.jsonl", "out", "--delimiter", ";"], "R415.*a.jsonl"),
        (["cat", "a.csv", "out", "--encoding", "utf-9"], "R413"),
        (["cat", "bad.parquet", "out"], "R417.*bad.parquet"),
        (["cat", "a.jsonl", "a.csv"], "R855.*a.csv"),
        (["nothing", "a.jsonl", "out"], "E050.*'nothing'"),
        (["training", "a.jsonl", "out"], "R621.*model-best"),
        (["untrained", "a.jsonl", "out"], "R101.*has no weights"),
        (["sentencizer", "a.jsonl", "out"], "R605"),
        (["cat", "a.jsonl", "out", "--threshold", "0.5"], "R620"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(
    pipelines, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    for name, factory in (("sentencizer", "sentencizer"), ("untrained", "textcat_lstm")):
        nlp = spacy.blank("en")
        nlp.add_pipe(factory)
        nlp.to_disk(tmp_path / name)
    (tmp_path / "cat").symlink_to(pipelines / "cat")
    (tmp_path / "training" / "model-best").mkdir(parents=True)
    write_jsonl(tmp_path / "a.jsonl", 2)
    (tmp_path / "a.csv").write_text("text\none\n")
    (tmp_path / "a.xlsx").write_text("")
    (tmp_path / "bad.parquet").write_text("text\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.md").write_text("")
    (tmp_path / "a.md").write_text("")
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(app, ["annotate", *arguments])
    assert result.exit_code == 1 and result.stdout == "", result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert re.search(message, result.stderr), result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["ray", "fsspec", "pyspark.sql.functions"])
def test_without_what_is_needed(pipelines, tmp_path, monkeypatch, name):
    from spacy_rnn.annotation import make_pandas_udf

    path = write_jsonl(tmp_path / "a.jsonl", 2)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r'R850.*pip install "spacy-rnn\[(ray|spark)\]"'):
        if name.startswith("pyspark"):
            make_pandas_udf(str(pipelines / "cat"))
        make(pipelines / "cat", path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cluster_that_is_not_there(monkeypatch):
    def fails(**settings):
        os.write(2, b"of Ray itself\n")
        raise ConnectionError("nobody\nlistens")

    monkeypatch.setattr(ray, "init", fails)
    before = dict(os.environ)
    with pytest.raises(ConnectionError, match="R858.*'ray://here:1' cannot.*nobody listens"):
        with session_module.ray_session(1, "ray://here:1"):
            pass
    assert dict(os.environ) == before


def test_workers_that_die_again_and_again(pipelines, tmp_path, monkeypatch):
    import ray.data
    import ray.exceptions

    def dies():
        raise ray.exceptions.ActorDiedError()
        yield

    data, given = SimpleNamespace(iter_rows=dies), {}
    data.map_batches = lambda *args, **kwargs: given.update(kwargs) or data
    monkeypatch.setattr(ray.data, "from_items", lambda *args, **kwargs: data)
    path = write_jsonl(tmp_path / "a.jsonl", 2)
    plan = make(pipelines / "cat", path, tmp_path / "out")
    with pytest.raises(ChildProcessError, match="R859.*fewer --workers"):
        list(run_partitions(ray, plan.job, plan.missing, workers=5, gpu=0.5))
    # No more workers than parts; one that dies is replaced, but not for ever at the same part.
    assert given["compute"].max_size == 1 and given["num_gpus"] == 0.5
    assert given["max_restarts"] == -1 and given["max_task_retries"] == 5


def test_what_has_failed_in_a_worker(pipelines, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 2)
    plan = make(pipelines / "cat", path, tmp_path / "out")
    (partition,) = plan.partitions
    job = plan.job._replace(model="elsewhere")
    outcome = Worker(job).run(partition)
    assert outcome.stage == "load" and "E050" in outcome.error
    with pytest.raises(ChildProcessError, match="R857.*'elsewhere'.*E050"):
        _check_outcome(job, partition, outcome)
    with pytest.raises(ValueError, match="R864.*a.jsonl, from line 1 on.*disk is full. What"):
        _check_outcome(job, partition, Outcome(0, error="disk is full.", stage="work"))


def test_names_of_parts(tmp_path):
    output = OutputFolder(str(tmp_path / "out"), "parquet")
    assert output.part_name(17) == "part-000017.parquet"
    assert output.bad_name(1_000_000) == "_bad/part-1000000.jsonl"
    assert output.names() == [] and output.done() == []
    output.write("part-1000000.parquet", b"x")
    output.write("part-000002.parquet", b"x")
    output.write("part-00000-of-spark.parquet", b"x")
    assert output.done() == [2, 1_000_000]
