"""The model of what annotation and training cost."""

import sys

import pytest

from benchmarks import scale


@pytest.fixture
def options(monkeypatch):
    def parse(*arguments):
        monkeypatch.setattr(sys, "argv", ["scale", *arguments])
        return scale.parse()

    return parse


def test_a_sum_over_a_ring():
    # Of four, each sends six quarters: of 8 MB at 8 Mbit/s 12 s, and six messages.
    assert scale.seconds_of_sum(8e6, 4, 8e6, 0.5) == pytest.approx(12 + 6 * 0.5)
    assert scale.seconds_of_sum(8e6, 1, 8e6, 0.5) == 0


def test_a_core(options):
    found = options("--tokenizer-microseconds", "1", "--pipeline-microseconds", "3")
    assert scale.per_core(scale.Station("", 1e6 / 3), found) == pytest.approx(250_000)


def test_the_slowest_station_limits(options):
    found = options("--spread", "0", "--batch-words", "1000", "--batches-per-second", "100")
    assert [s.name for s in scale.stations(found)] == ["scheduler", "object store"]
    assert scale.stations(found)[0].rate == 100_000
    assert scale.simulate(1, 10_000, found) == pytest.approx(10_000, rel=0.15)
    few, many = (scale.simulate(count, 10_000, found) for count in (5, 200))
    assert few == pytest.approx(50_000, rel=0.15) and many == pytest.approx(100_000, rel=0.15)
    slow = options("--store-gigabytes", "0.0001", "--bytes-in", "7", "--bytes-out", "3")
    assert [s.name for s in scale.stations(slow)] == ["object store", "scheduler"]
    assert scale.stations(slow)[0].rate == 10_000


def test_prints_all_tables(options, capsys, monkeypatch):
    options("--most-workers", "2", "--step-seconds", "1", "--gradient-megabytes", "125")
    monkeypatch.setattr(scale, "NETWORKS", [("line", 1e9, 0.0)])
    scale.main()
    printed = capsys.readouterr().out
    assert "| textcat_lstm | 452,489 | 59 % | 41 % |" in printed
    # Two take half a second to learn and a second to sum: 1 / 1.5.
    assert "| yours, 125.0 MB | line | 0.7 |" in printed
    assert "| tagger_bilstm | 2 |" in printed and "| tagger_bilstm | 8 |" not in printed


@pytest.mark.parametrize(
    "arguments",
    [["--bytes-in", "0"], ["--spread", "-1"], ["--step-seconds", "1"], ["--most-workers", "x"]],
)
def test_wrong_arguments(options, capsys, arguments):
    with pytest.raises(SystemExit):
        options(*arguments)
    assert "error: " in capsys.readouterr().err
