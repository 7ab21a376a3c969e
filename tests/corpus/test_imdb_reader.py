import pytest
import spacy

from spacy_rnn.corpus.imdb_reader import choose_films, create_imdb_reader_v1, read_imdb


@pytest.fixture
def archive(tmp_path):
    """A small archive: film i % 10 has review i of each class."""
    root = tmp_path / "aclImdb"
    for split in ("train", "test"):
        for kind in ("neg", "pos"):
            folder = root / split / kind
            folder.mkdir(parents=True)
            urls = []
            for i in range(30):
                text = f"{split} {kind} review {i} of film{i % 10}<br />"
                (folder / f"{i}_7.txt").write_text(text, encoding="utf8")
                urls.append(f"http://www.imdb.com/title/tt{i % 10:07}/usercomments")
            (root / split / f"urls_{kind}.txt").write_text("\n".join(urls), encoding="utf8")
    return root


def read(path, split, **settings):
    return list(create_imdb_reader_v1(path, split, **settings)(spacy.blank("en")))


def films(examples):
    return {eg.text.split()[-1] for eg in examples}


def test_train_and_dev_share_no_film(archive):
    train, dev = read(archive, "train", dev_share=0.3), read(archive, "dev", dev_share=0.3)
    assert len(train) == 42 and len(dev) == 18
    assert not films(train) & films(dev)
    assert films(train) | films(dev) == {f"film{i}" for i in range(10)}
    assert films(read(archive, "dev", dev_share=0.3, seed=5)) != films(dev)


def test_labels_and_order(archive):
    examples = read(archive, "test")
    assert len(examples) == 60
    for eg in examples:
        label = "POSITIVE" if " pos " in eg.text else "NEGATIVE"
        other = {"POSITIVE": "NEGATIVE", "NEGATIVE": "POSITIVE"}[label]
        assert eg.reference.cats == {label: 1.0, other: 0.0}
        assert "<br" not in eg.text
    kinds = [" pos " in eg.text for eg in examples]
    assert kinds != sorted(kinds)
    assert [eg.text for eg in read(archive, "test", limit=5)] == [eg.text for eg in examples[:5]]


def test_choose_films():
    counts = {f"tt{i}": 1 + i % 7 for i in range(100)}
    chosen = choose_films(counts, 0.1, 0)
    assert 0.08 < sum(counts[film] for film in chosen) / sum(counts.values()) <= 0.1


def test_lines_at_fault_are_named(archive):
    with pytest.raises(ValueError, match="R411.*limit is -1"):
        create_imdb_reader_v1(archive, "train", limit=-1)
    review, films = archive / "train" / "neg" / "3_7.txt", archive / "train" / "urls_neg.txt"
    review.write_bytes(b"good\nb\xe9ad")
    with pytest.raises(ValueError, match="R403.*3_7.txt, line 2: the byte e9 is not UTF-8"):
        read(archive, "train", dev_share=0)
    films.write_text("".join(films.read_text().splitlines(keepends=True)[:20]))
    with pytest.raises(ValueError, match="R403.*urls_neg.txt, line 21: .*20_7.txt"):
        read(archive, "train")


def test_bad_input(archive, tmp_path):
    with pytest.raises(FileNotFoundError, match="R401.*aclImdb"):
        read(tmp_path / "nowhere", "train")
    with pytest.raises(ValueError, match="R001.*split.*'all'"):
        read(archive, "all")
    (archive / "train" / "urls_pos.txt").write_text("nonsense")
    with pytest.raises(ValueError, match="R403.*urls_pos.txt, line 1.*nonsense"):
        read(archive, "train")
    (archive / "train" / "urls_pos.txt").unlink()
    with pytest.raises(FileNotFoundError, match="urls_pos.txt"):
        list(read_imdb(archive, "train", dev_share=0.1, seed=0))
