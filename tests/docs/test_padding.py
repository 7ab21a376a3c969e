import xml.etree.ElementTree as ElementTree

import pytest
import torch

from docs.padding import PICTURE, WORDS, color, draw, errors


def test_the_picture_is_what_the_code_draws():
    assert PICTURE.read_text(encoding="utf8") == draw()
    texts = [node.text for node in ElementTree.parse(PICTURE).iter() if node.tag.endswith("text")]
    assert texts.count("pad") == 4 and texts.count("0.00") == len(WORDS)
    assert all(texts.count(word) == 2 for word in WORDS)


def test_padding_does_more_harm_to_what_is_read_sooner():
    found = errors()
    assert found == sorted(found) and 0.01 < found[0] and found[-1] > 0.5


def test_errors_leave_the_random_state():
    before = torch.random.get_rng_state()
    errors()
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("off, expected", [(0.0, "#dafbe1"), (1.0, "#ff8182"), (7.0, "#ff8182")])
def test_color(off, expected):
    assert color(off) == expected
