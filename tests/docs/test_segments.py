import xml.etree.ElementTree as ElementTree
from pathlib import Path

from docs.segments import LENGTHS, computed, packed, padded, pictures, planned, said

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "engine.md"


def test_the_pictures_are_what_the_code_draws():
    for path, picture in pictures():
        assert path.read_text(encoding="utf8") == picture, "run python -m docs.segments"
        bars = [node.get("fill") for node in ElementTree.fromstring(picture).iter()]
        assert bars.count("#79b8ff") == len(LENGTHS)


def test_segments_hold_all_tokens():
    assert LENGTHS == sorted(LENGTHS, reverse=True)
    for segments in (planned(), packed(), padded()):
        end = 0
        for segment in segments:
            assert segment.start == end
            assert segment.rows >= sum(length > segment.start for length in LENGTHS)
            end += segment.steps
        assert end >= LENGTHS[0]
    assert computed(packed()) == sum(LENGTHS)
    assert computed(padded()) == LENGTHS[0] * len(LENGTHS)


def test_the_page_has_these_figures():
    text = PAGE.read_text(encoding="utf8")
    for name, segments in (("padded", padded()), ("packed", packed()), ("in segments", planned())):
        assert f"| {name} | {len(segments)} | {computed(segments):,} |" in text, name
    assert f"for {sum(LENGTHS):,} tokens" in text
    assert f"{len(LENGTHS)} texts of {LENGTHS[-1]}\nto {LENGTHS[0]} tokens" in text
    assert said("Padded", padded()).endswith("1 call")
