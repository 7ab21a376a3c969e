"""Ways to damage the saved data of a component, as hypothesis strategies."""

import copy
import functools
import json
import struct
from typing import Any, Callable, List, NamedTuple, Tuple

import numpy
import srsly
from hypothesis import strategies as st

from spacy_rnn.pipeline.checksums import CHECKSUMS, add_checksums

INTS = [-1, 0, 1, 2, 7, 255, 2**16, 10**9, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**64 - 1, -(2**63)]
FLOATS = [float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e-45, 1e10, 1e38, 1e300, 0.5]
DTYPES = [
    "<f4",
    "<f2",
    "<f8",
    ">f4",
    "<i4",
    "<u8",
    "|b1",
    "<c8",
    "|S4",
    "<U1",
    "|O",
    "|V4",
    "<M8[s]",
]
DTYPES += ["f4,i4", "(99999999,)f4", "nonsense", ""]
PLAIN = st.one_of(
    st.sampled_from([*INTS, *FLOATS, None, True, False, [], {}, "", "x", "\0", b"", b"\xc1"]),
    st.sampled_from(
        ["x" * 10**5, [0] * 10**4, "é", "W", "spacy_rnn", "F32", "I64", "BOOL", "BF16"]
    ),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.binary(max_size=20),
    st.lists(st.sampled_from([*INTS, *FLOATS, None, "x"]), max_size=4),
)


# What weights and tables are saved as.
LARGE = (numpy.ndarray, bytes)
# Steps to a value.
DEPTH = 12


def deep(depth: int) -> Any:
    """Lists in lists."""
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


def array_that_claims(dtype: Any, shape: Any, data: bytes) -> Any:
    """What msgpack has for an array of numpy's, which is made when it is read."""
    return {b"nd": True, b"type": dtype, b"kind": b"", b"shape": shape, b"data": data}


# Data in data


class Packed(NamedTuple):
    """A value inside of bytes of msgpack."""

    value: Any


class Text(NamedTuple):
    """A value inside of JSON."""

    value: Any


class Tensors(NamedTuple):
    """The parts of safetensors. length: Of the header, None for what it has."""

    header: Any
    length: Any
    data: Any


@functools.lru_cache(maxsize=None)
def open_component(data: bytes) -> Any:
    """All that a saved component holds, without its checksums: dicts, lists, arrays, and bytes
    that hold more of them."""
    msg = srsly.msgpack_loads(data)
    msg.pop(CHECKSUMS, None)
    model = srsly.msgpack_loads(msg["model"])
    model["attrs"] = [{name: _open(value) for name, value in a.items()} for a in model["attrs"]]
    model["shims"] = [[_open_shim(shim) for shim in shims] for shims in model["shims"]]
    return {"cfg": Text(srsly.json_loads(msg["cfg"])), "model": Packed(model)}


def _open(value: bytes) -> Any:
    return Packed(srsly.msgpack_loads(value)) if value else value


def _open_shim(data: bytes) -> Packed:
    shim = srsly.msgpack_loads(data)
    (length,) = struct.unpack("<Q", shim["state"][:8])
    header = json.loads(shim["state"][8 : 8 + length])
    return Packed({**shim, "state": Tensors(header, None, shim["state"][8 + length :])})


def close_component(tree: Any) -> bytes:
    """The bytes of an opened component. RAISES: An error for what cannot be written."""
    return srsly.msgpack_dumps(_close(tree))


def _close(tree: Any) -> Any:
    if isinstance(tree, Packed):
        return srsly.msgpack_dumps(_close(tree.value))
    if isinstance(tree, Text):
        return json.dumps(_close(tree.value))
    if isinstance(tree, Tensors):
        header = json.dumps(_close(tree.header)).encode("utf8")
        length = len(header) if tree.length is None else int(tree.length) % 2**64
        return struct.pack("<Q", length) + header + bytes(tree.data)
    if isinstance(tree, dict):
        return {key: _close(value) for key, value in tree.items()}
    return [_close(value) for value in tree] if isinstance(tree, list) else tree


def places_in(tree: Any, path: Tuple = ()) -> List[Tuple[Tuple, Any]]:
    """All values of an opened component with the paths to them, but for what lies very deep."""
    found = []
    for key, value in _children(tree) if len(path) < DEPTH else ():
        found.append(((*path, key), value))
        found += places_in(value, (*path, key))
    return found


def _children(tree: Any) -> List[Tuple[Any, Any]]:
    if isinstance(tree, (Packed, Text, Tensors)):
        return list(tree._asdict().items())
    if isinstance(tree, dict):
        return list(tree.items())
    # Of long lists of words and the like, a few are as good as all.
    return list(enumerate(tree))[:20] if isinstance(tree, list) else []


def changed_at(tree: Any, path: Tuple, change: Callable[[Any, Any], None]) -> Any:
    """An opened component after a change. change: Takes the dict or list that holds the place,
    and the place in it."""
    key, *rest = path
    if isinstance(tree, (Packed, Text, Tensors)):
        fields = tree._asdict()
        changed = changed_at(fields, path, change)
        return tree._replace(**{k: v for k, v in changed.items() if k in fields})
    tree = copy.copy(tree)
    if rest:
        tree[key] = changed_at(tree[key], tuple(rest), change)
    else:
        change(tree, key)
    return tree


# Damage


@st.composite
def damaged_bytes(draw: Any, data: bytes, other: bytes) -> bytes:
    """Bytes that were flipped, cut, moved, repeated or overwritten. other: To take some from."""
    for _ in range(draw(st.integers(1, 3))):
        size = max(len(data), 1)
        place, length = draw(st.integers(0, size - 1)), draw(st.integers(1, 64))
        end = place + length
        how = draw(
            st.sampled_from(["flip", "cut", "drop", "insert", "overwrite", "splice", "repeat"])
        )
        if how == "flip" and data:
            byte = data[place] ^ (1 << draw(st.integers(0, 7)))
            data = data[:place] + bytes([byte]) + data[place + 1 :]
        elif how == "cut":
            data = data[:place]
        elif how == "drop":
            data = data[:place] + data[end:]
        elif how in ("insert", "overwrite"):
            new = draw(st.one_of(st.sampled_from(WORDS_OF_BYTES), st.binary(max_size=16)))
            data = data[:place] + new + data[place + (len(new) if how == "overwrite" else 0) :]
        elif how == "splice" and other:
            start = draw(st.integers(0, len(other) - 1))
            data = data[:place] + other[start : start + length] + data[end:]
        else:
            data = data[:end] + data[place:end] + data[end:]
    return data


WORDS_OF_BYTES = [b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\0" * 8, b"\xc6\xff\xff\xff\xff"]
WORDS_OF_BYTES += [
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\x91" * 600,
    b"\x81\xc4\x02nd",
]
WORDS_OF_BYTES += [b"NaN", b"1e999", b"[" * 3000, b'"data_offsets":[0,0]', b"9" * 30]


@st.composite
def damaged_array(draw: Any, array: numpy.ndarray) -> Any:
    """An array of other values, of another type or shape, or that claims to be."""
    how = draw(st.sampled_from(["value", "type", "shape", "claim"]))
    if how == "value" and array.size:
        array = array.copy()
        with numpy.errstate(over="ignore", invalid="ignore"):
            array.flat[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from(FLOATS))
        return array
    if how == "type":
        with numpy.errstate(over="ignore", invalid="ignore"):
            return array.astype(draw(st.sampled_from(["f8", "f2", "i4", "u1", "?"])))
    if how == "shape":
        return draw(st.sampled_from([array[:-1], array[None], array.ravel(), array[:0], array.T]))
    shape = draw(st.lists(st.sampled_from(INTS), max_size=3))
    data = draw(st.sampled_from([b"", array.tobytes(), b"\0" * 16]))
    return array_that_claims(draw(st.sampled_from(DTYPES)), shape, data)


@st.composite
def damaged_numbers(draw: Any, data: bytes) -> bytes:
    """Bytes of float32, one of which is another."""
    place = 4 * draw(st.integers(0, max(len(data) // 4 - 1, 0)))
    with numpy.errstate(over="ignore"):
        new = numpy.asarray(draw(st.sampled_from(FLOATS)), dtype="<f4").tobytes()
    return data[:place] + new + data[place + 4 :]


@st.composite
def damaged_tree(draw: Any, tree: Any) -> Any:
    """An opened component of which up to three values are others, moved, repeated or gone."""
    for _ in range(draw(st.integers(1, 3))):
        places = places_in(tree)
        # There are more settings and sizes than weights.
        weights = [place for place in places if isinstance(place[1], LARGE)]
        path, value = draw(st.sampled_from(weights or places) | st.sampled_from(places))
        how = draw(
            st.sampled_from(["replace", "replace", "replace", "move", "drop", "add", "deep"])
        )
        if how == "move":
            _, new = draw(st.sampled_from(places))
        elif how == "deep":
            new = deep(draw(st.sampled_from([5, 500, 2000])))
        elif isinstance(value, numpy.ndarray):
            new = draw(damaged_array(value))
        elif isinstance(value, bytes) and value:
            new = draw(damaged_bytes(value, value) | damaged_numbers(value))
        else:
            new = draw(PLAIN)
        tree = changed_at(tree, path, _change(how, new))
    return tree


def _change(how: str, new: Any) -> Callable[[Any, Any], None]:
    def change(parent: Any, key: Any) -> None:
        if how == "drop":
            del parent[key]
        elif how == "add" and isinstance(parent, list):
            parent.insert(key, new)
        elif how == "add":
            parent[f"{key}x"] = new
        else:
            parent[key] = new

    return change


# How a component is damaged: as it lies on a disk, or so that its checksums fit the damage.
KINDS = ("bytes", "sealed bytes", "sealed values")


@st.composite
def damaged_component(draw: Any, data: bytes, other: bytes) -> Tuple[str, bytes]:
    """A saved component after some damage. other: Of another component, to take some from.

    RETURNS: The kind of damage, and the data.
    """
    kind = draw(st.sampled_from(KINDS))
    if kind == "bytes":
        return kind, draw(damaged_bytes(data, other))
    if kind == "sealed values":
        try:
            return kind, add_checksums(close_component(draw(damaged_tree(open_component(data)))))
        except (TypeError, ValueError, OverflowError, RecursionError, AttributeError):
            # No such data can be written.
            return "bytes", data[:-1]
    msg, others = srsly.msgpack_loads(data), srsly.msgpack_loads(other)
    part = draw(st.sampled_from(["cfg", "model", "model", "model"]))
    if part == "cfg":
        changed = draw(damaged_bytes(msg[part].encode("utf8"), others[part].encode("utf8")))
    else:
        changed = draw(damaged_bytes(msg[part], others[part]))
    return kind, add_checksums(srsly.msgpack_dumps({**msg, part: changed}))
