"""Workers' part of an annotation, in this process: what is read, and what is written."""

import csv
import gzip
import json
import lzma

import pytest
import spacy
from typer.testing import CliRunner

from spacy_rnn.annotation.job import Worker
from spacy_rnn.annotation.run import _count, make_plan
from spacy_rnn.cli import app
from spacy_rnn.corpus.rows import Layout
from tests.annotation.conftest import bad_rows, rows_of, text_of, write_jsonl

pytest.importorskip("ray", reason="needs Ray: pip install spacy-rnn[ray]")
parquet = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")


def annotate(model, inputs, output, **settings):
    """All parts, one after the other. RETURNS: The totals."""
    inputs = [inputs] if isinstance(inputs, (str, bytes)) or hasattr(inputs, "parts") else inputs
    plan = make_plan(str(model), [str(path) for path in inputs], str(output), **settings)
    worker = Worker(plan.job)
    outcomes = {partition.number: worker.run(partition) for partition in plan.missing}
    assert [outcome.error for outcome in outcomes.values()] == [""] * len(outcomes)
    return _count(plan, outcomes, 0)


def predicted(model, *files):
    """What `spacy-rnn predict` gives."""
    bad = ["--bad", str(files[0].parent / "predict.bad.jsonl")]
    arguments = ["predict", str(model), *map(str, files), "--format", "jsonl", *bad]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    return [json.loads(line) for line in found.stdout.splitlines()]


def equal(found, expected):
    """Compare rows, whose scores may differ in the last digits."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert list(one) == list(other)
        for name in one:
            same = pytest.approx(other[name], abs=1e-5) if name == "cats" else other[name]
            assert one[name] == same, name
    return True


def test_the_same_as_predict(pipelines, tmp_path):
    lines = [json.dumps({"id": i, "text": text_of(i), "label": "mine"}) for i in range(40)]
    lines[7:7] = ["", "{oops", '{"text": 3}', '{"text": "  "}', '{"id": 4}', '{"text": "\\ud800"}']
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    totals = annotate(pipelines / "both", path, tmp_path / "out", format="jsonl", rows=6)
    assert (totals.parts, totals.written, totals.bad) == (8, 40, 5)
    found = rows_of(tmp_path / "out")
    assert equal(found, predicted(pipelines / "both", path))
    assert found[0]["label"] == "mine" and found[0]["predicted_label"] in ("POSITIVE", "NEGATIVE")
    kept = (tmp_path / "predict.bad.jsonl").read_text("utf8").splitlines()
    in_order = sorted(bad_rows(tmp_path / "out"), key=lambda row: row["line"])
    assert in_order == [json.loads(line) for line in kept]


def test_parquet_keeps_types(pipelines, tmp_path):
    times = pa.array([1, 2, None] * 5, pa.timestamp("ms"))
    texts = pa.array([text_of(i) for i in range(14)] + [None], pa.large_string())
    lists = pa.array([[i] for i in range(15)], pa.list_(pa.int16()))
    table = pa.table({"when": times, "body": texts, "more": lists, "label": ["x"] * 15})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=4)
    settings = {"text_column": "body", "rows": 5}
    totals = annotate(pipelines / "both", tmp_path / "a.parquet", tmp_path / "out", **settings)
    assert (totals.written, totals.bad, totals.parts) == (14, 1, 3)
    found = parquet.read_table(tmp_path / "out")
    assert found.select(table.column_names).equals(table.slice(0, 14))
    assert found.column_names[4:] == ["predicted_label", "cats", "tokens"]
    nlp = spacy.load(pipelines / "both")
    for row, text in zip(found.to_pylist(), texts.to_pylist()):
        doc = nlp(text)
        assert row["cats"] == pytest.approx(doc.cats, abs=1e-5)
        assert row["predicted_label"] == max(doc.cats, key=doc.cats.get)
        expected = [{"text": word.text, "pos": word.pos_, "tag": None} for word in doc]
        assert row["tokens"] == expected
    (bad,) = bad_rows(tmp_path / "out")
    assert bad["line"] == 15 and bad["reason"] == "no text" and bad["file"].endswith("a.parquet")


def test_csv_has_the_same_header_in_every_part(pipelines, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"a warm\nfilm"\n2,\n3,x,y\n4,dull\n')
    settings = {"format": "csv", "rows": 1}
    totals = annotate(pipelines / "both", path, tmp_path / "out", **settings)
    assert (totals.written, totals.bad, totals.parts) == (2, 2, 4)
    parts = sorted((tmp_path / "out").glob("part-*.csv"))
    tables = [list(csv.reader(part.open(encoding="utf8", newline=""))) for part in parts]
    assert [len(table) for table in tables] == [2, 1, 1, 2]
    header = ["id", "text", "label", "POSITIVE", "NEGATIVE", "pos"]
    assert all(table[0] == header for table in tables)
    assert tables[0][1][:2] == ["1", "a warm\nfilm"] and tables[3][1][0] == "4"
    assert [row["line"] for row in bad_rows(tmp_path / "out")] == [4, 5]


def test_columns_that_are_kept(pipelines, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 4)
    for format in ("jsonl", "csv", "parquet"):
        settings = {"columns": ["id"], "format": format}
        annotate(pipelines / "cat", path, tmp_path / format, **settings)
    assert [list(row) for row in rows_of(tmp_path / "jsonl")] == [["id", "cats", "label"]] * 4
    table = parquet.read_table(tmp_path / "parquet")
    assert table.column_names == ["id", "label", "cats"]
    assert table["id"].to_pylist() == [0, 1, 2, 3]
    assert (tmp_path / "csv" / "part-000000.csv").read_text().startswith("id,label,POSITIVE,")


def test_types_of_json(pipelines, tmp_path):
    """What does not fit the first rows is not written as something else."""
    rows = [{"text": "one", "i": 1, "f": 1, "b": True, "x": {"y": 1}, "n": None}]
    rows += [{"text": "two", "i": 2, "f": 0.5, "b": False, "x": "z"}] * 999
    others = [{"i": 0.5}, {"i": True}, {"i": 2**70}, {"b": 1}, {"new": 1}, {"x": "\ud800"}]
    fitting = [{"i": None}, {"f": 3}, {"x": [1]}, {"n": 5}]
    rows += [{"text": "three", **row} for row in [*others, *fitting]]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    totals = annotate(pipelines / "cat", path, tmp_path / "out")
    assert (totals.written, totals.bad) == (1004, 6)
    found = parquet.read_table(tmp_path / "out")
    kinds = {field.name: str(field.type) for field in found.schema}
    assert [kinds[name] for name in "ifbxn"] == ["int64", "double", "bool", "string", "string"]
    values = found.to_pylist()
    assert values[0]["x"] == '{"y": 1}' and values[1]["x"] == "z" and values[1]["n"] is None
    assert [row["f"] for row in values[1000:]] == [None, 3.0, None, None]
    assert values[1002]["x"] == "[1]" and values[1003]["n"] == "5"
    reasons = [row["reason"] for row in bad_rows(tmp_path / "out")]
    assert "'i': 0.5 is not of the type int64" in reasons[0]
    assert "the first rows have no 'new'" in reasons[4] and "half of a char" in reasons[5]


def test_files_folders_and_patterns(pipelines, tmp_path):
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    write_jsonl(data / "b.jsonl", 3, first=3)
    write_jsonl(data / "a.jsonl", 3)
    (data / "deep" / "c.txt").write_text(text_of(6))
    (data / "README.md").write_text("no text")
    (data / "_SUCCESS.txt").write_text("no text")
    (data / ".hidden.txt").write_text("no text")
    expected = [text_of(i) for i in range(7)]
    for number, inputs in enumerate(
        [
            [data],
            [data / "*.jsonl", data / "deep" / "c.txt"],
            [data / "a.jsonl", data, data / "**" / "*.txt"],
            [f"file://{data}"],
            [f"local://{data}/[ab].jsonl", data / "deep"],
        ]
    ):
        # Also inside of what is read.
        out = data / f"out{number}"
        annotate(pipelines / "cat", inputs, out, format="jsonl", columns=["text"])
        assert [row["text"] for row in rows_of(out)] == expected
        for path in out.rglob("part-*"):
            path.unlink()
        for path in out.glob("_*.json*"):
            path.unlink()


@pytest.mark.parametrize("module,ending", [(gzip, ".gz"), (lzma, ".xz")])
def test_compressed_files_and_other_encodings_are_one_part(pipelines, tmp_path, module, ending):
    plain = write_jsonl(tmp_path / "a.jsonl", 30)
    packed = tmp_path / f"b.jsonl{ending}"
    packed.write_bytes(module.compress(plain.read_bytes()))
    totals = annotate(pipelines / "cat", packed, tmp_path / "out", format="jsonl", rows=4)
    assert (totals.parts, totals.written) == (1, 30)
    assert equal(rows_of(tmp_path / "out"), predicted(pipelines / "cat", plain))
    wide = tmp_path / "c.csv"
    wide.write_bytes("text;n\ncafé;1\nune autre;2\n".encode("utf-16"))
    layout = Layout(None, ";", "utf-16")
    settings = {"format": "jsonl", "rows": 1, "layout": layout}
    assert annotate(pipelines / "cat", wide, tmp_path / "wide", **settings).parts == 1
    assert [row["text"] for row in rows_of(tmp_path / "wide")] == ["café", "une autre"]


@pytest.mark.parametrize("protocols", [{"memory"}, set()])
def test_other_file_systems(pipelines, tmp_path, monkeypatch, protocols):
    """Read from and written to one that is not this machine's disk; and one on which a file that
    is put can be seen before it is complete."""
    monkeypatch.setattr("spacy_rnn.annotation.output_folder.PUT_WHOLE", protocols)
    memory = fsspec.filesystem("memory")
    memory.pipe("/here/a.jsonl", write_jsonl(tmp_path / "a.jsonl", 10).read_bytes())
    memory.pipe("/here/b.jsonl.gz", gzip.compress(b'{"id": 10, "text": "x"}\n{oops\n'))
    try:
        settings = {"format": "jsonl", "rows": 4}
        totals = annotate(pipelines / "cat", "memory://here", "memory://out", **settings)
        assert (totals.parts, totals.written, totals.bad) == (4, 11, 1)
        names = sorted(memory.ls("/out", detail=False))
        parts = [f"/out/part-00000{i}.jsonl" for i in range(4)]
        assert names == ["/out/_annotate.json", "/out/_bad", "/out/_partitions.jsonl", *parts]
        lines = [line for part in parts for line in memory.cat(part).splitlines()]
        assert [json.loads(line)["id"] for line in lines] == list(range(11))
        (bad,) = memory.cat("/out/_bad/part-000003.jsonl").splitlines()
        assert json.loads(bad)["file"] == "memory:///here/b.jsonl.gz"
        again = make_plan(str(pipelines / "cat"), ["memory://here"], "memory://out", **settings)
        assert not again.missing
        memory.rm("/out/part-000002.jsonl")
        again = make_plan(str(pipelines / "cat"), ["memory://here"], "memory://out", **settings)
        assert [partition.number for partition in again.missing] == [2]
    finally:
        memory.rm("/", recursive=True)


def test_texts_at_which_the_pipeline_fails(pipelines, tmp_path, monkeypatch):
    nlp = spacy.load(pipelines / "cat")
    pipe = nlp.get_pipe("textcat_lstm")
    predict = type(pipe).predict

    def fails(self, docs):
        docs = list(docs)
        if any("number 3" in doc.text for doc in docs):
            raise RuntimeError("cannot read this")
        return predict(self, docs)

    path = write_jsonl(tmp_path / "a.jsonl", 6)
    with path.open("a") as file:
        file.write(json.dumps({"id": 6, "text": "x" * 1_000_001}) + "\n")
    expected = predicted(pipelines / "cat", path)
    monkeypatch.setattr(type(pipe), "predict", fails)
    totals = annotate(pipelines / "cat", path, tmp_path / "out", format="jsonl")
    assert (totals.written, totals.bad) == (5, 2)
    assert equal(rows_of(tmp_path / "out"), expected[:3] + expected[4:])
    reasons = sorted((row["line"], row["reason"]) for row in bad_rows(tmp_path / "out"))
    assert reasons[0][0] == 4 and "RuntimeError: cannot read this" in reasons[0][1]
    assert reasons[1][0] == 7 and "1000001 characters" in reasons[1][1]


@pytest.mark.parametrize("tokens", [1, 7, 100_000])
def test_batches_change_nothing(pipelines, tmp_path, tokens):
    path = write_jsonl(tmp_path / "a.jsonl", 20)
    settings = {"format": "jsonl", "batch_tokens": tokens}
    annotate(pipelines / "both", path, tmp_path / "out", **settings)
    assert equal(rows_of(tmp_path / "out"), predicted(pipelines / "both", path))


def test_nothing_is_left_of_a_part_that_fails(pipelines, tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", 6)
    plan = make_plan(str(pipelines / "cat"), [str(path)], str(tmp_path / "out"), rows=3)
    path.write_bytes(path.read_bytes()[:60])
    outcome = Worker(plan.job).run(plan.partitions[1])
    assert outcome.stage == "work" and "shorter" in outcome.error
    assert sorted(found.name for found in (tmp_path / "out").iterdir()) == [
        "_annotate.json",
        "_partitions.jsonl",
    ]
