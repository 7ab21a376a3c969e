"""What one flipped bit does to a saved component: `python -m tests.fuzz.flips`.

Counted with checksums, and without them, as versions before 0.8 save.
"""

from typing import Any, Tuple

import numpy
import srsly

from spacy_rnn.pipeline.checksums import CHECKSUMS

from .seeds import Seed, as_first_format, make_seeds

# Flips of each component, at places that are spread over its data evenly.
FLIPS = 200
OUTCOMES = ("refused", "same scores", "other scores")


def outcomes_of(seed: Seed) -> Tuple[int, ...]:
    """RETURNS: How many flips end in each of `OUTCOMES`."""
    expected, counts = seed.scores(), dict.fromkeys(OUTCOMES, 0)
    msg = srsly.msgpack_loads(seed.data)
    parts = [part for part in ("cfg", "model", CHECKSUMS) if part in msg]
    msg = {part: _as_bytes(msg[part]) for part in parts}
    places = [(part, place) for part in parts for place in range(8 * len(msg[part]))]
    for i in numpy.linspace(0, len(places) - 1, FLIPS).astype("int64").tolist():
        part, place = places[i]
        flipped = bytearray(msg[part])
        flipped[place // 8] ^= 1 << place % 8
        try:
            seed.load(srsly.msgpack_dumps({**msg, part: bytes(flipped)}))
        except ValueError:
            counts["refused"] += 1
            continue
        same = numpy.array_equal(seed.scores(), expected)
        counts["same scores" if same else "other scores"] += 1
        seed.load(seed.data)
    return tuple(counts.values())


def _as_bytes(data: Any) -> bytes:
    return data.encode("utf8") if isinstance(data, str) else data


def main() -> None:
    """Print the table."""
    seeds = [seed for seed in make_seeds() if seed.has_checksums]
    print(f"{'':18}{'':16}{'flipped':>9}" + "".join(f"{name:>14}" for name in OUTCOMES))
    for how, change in (("without checksums", as_first_format), ("with", lambda seed: seed.data)):
        found = [(seed.name, outcomes_of(seed._replace(data=change(seed)))) for seed in seeds]
        total = ("together", tuple(map(sum, zip(*(counts for _, counts in found)))))
        for name, counts in (*found, total):
            row = "".join(f"{count:>14}" for count in counts)
            print(f"{how:18}{name:16}{sum(counts):>9}{row}")


if __name__ == "__main__":
    main()
