"""What may be tried in place of which settings."""

import itertools
import math
import random
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Union

import srsly
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ..configs import space_path
from ..errors import Errors

Distribution = Union[FloatDistribution, IntDistribution, CategoricalDistribution]
# How a study names values: what is none of these is named by its JSON.
Stored = Union[None, bool, int, float, str]
TYPES: Dict[str, Any] = {"float": FloatDistribution, "int": IntDistribution}
KEYS = {
    "float": ("low", "high", "log", "step"),
    "int": ("low", "high", "log", "step"),
    "categorical": ("choices",),
}
# More combinations than anyone tries.
LARGEST_GRID = 100_000


class Space(NamedTuple):
    """What to try.

    distributions: Optuna's description of what to try, by the dotted names of settings.
    choices: Of settings that have some, the values by what they are called in the study.
    """

    distributions: Dict[str, Distribution]
    choices: Dict[str, Dict[Stored, Any]]

    def value(self, name: str, stored: Stored) -> Any:
        """The value of a setting, by what it is called in the study."""
        return self.choices[name][stored] if name in self.choices else stored

    def stored(self, values: Dict[str, Any]) -> Optional[Dict[str, Stored]]:
        """What values of all settings are called in the study; None if one is not in the space."""
        if not all(self._has(name, value) for name, value in values.items()):
            return None
        return {
            name: _label(value) if name in self.choices else value for name, value in values.items()
        }

    def _has(self, name: str, value: Any) -> bool:
        distribution = self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            return any(_same(choice, value) for choice in self.choices[name].values())
        if not _is_number(value, whole=isinstance(distribution, IntDistribution)):
            return False
        steps = (value - distribution.low) / (distribution.step or 1)
        on_step = distribution.step is None or math.isclose(steps, round(steps), abs_tol=1e-8)
        return distribution.low <= value <= distribution.high and on_step

    def outermost(self, name: str) -> List[Any]:
        """The values of a setting that are likeliest to be wrong: all choices, or both ends."""
        if name in self.choices:
            return list(self.choices[name].values())
        distribution: Any = self.distributions[name]
        return [distribution.low, distribution.high]

    def grid(self, seed: int) -> List[Dict[str, Stored]]:
        """All combinations, as the study calls them, in an order by chance, so that the first ones
        are of all parts of the space.

        RAISES: ValueError for a range without steps, and for too many combinations.
        """
        names = list(self.distributions)
        values = [self._grid_values(name) for name in names]
        size = math.prod(map(len, values))
        if size > LARGEST_GRID:
            problem = f"there are {size:,} combinations, and {LARGEST_GRID:,} are the most"
            raise ValueError(Errors.R895.format(name="The space", problem=problem))
        combinations = [dict(zip(names, found)) for found in itertools.product(*values)]
        random.Random(seed).shuffle(combinations)
        return combinations

    def _grid_values(self, name: str) -> List[Stored]:
        if name in self.choices:
            return list(self.choices[name])
        distribution: Any = self.distributions[name]
        if distribution.step is None:
            problem = "it is a range without steps. Give a step, or a list of values"
            raise ValueError(Errors.R895.format(name=name, problem=problem))
        count = round((distribution.high - distribution.low) / distribution.step) + 1
        if count > LARGEST_GRID:
            problem = f"it has {count:,} values"
            raise ValueError(Errors.R895.format(name=name, problem=problem))
        # As Optuna counts steps, rounded to what is written.
        found = (distribution.low + i * distribution.step for i in range(count))
        return [value if isinstance(value, int) else float(f"{value:.12g}") for value in found]


def find_space(name: str) -> Path:
    """The file of a space. name: Its path, or the name of one that comes with the package.

    RAISES: ValueError if there is none.
    """
    path, shipped = Path(name), space_path(name)
    if path.is_file():
        return path
    if path.name != name or not shipped.is_file():
        known = sorted(found.stem for found in space_path("").parent.glob("*.yml"))
        raise ValueError(Errors.R901.format(path=name, shipped=", ".join(known)))
    return shipped


def read_space(path: Path) -> Space:
    """Read a space: a YAML file that maps the dotted names of settings to what to try. That is a
    list of values, or a mapping with `type`: "float" or "int" with `low` and `high`, both of which
    are tried, too, and if wanted `step`, or `log: true` for steps that grow with the value; or
    "categorical" with `choices`.

    RAISES: ValueError if it is none; OSError if it cannot be read.
    """
    try:
        found = srsly.read_yaml(path)
    except ValueError as error:
        raise ValueError(Errors.R891.format(path=path, problem=error)) from error
    if not isinstance(found, dict) or not found:
        problem = "it is empty" if not found else f"it is a {type(found).__name__}, not a mapping"
        raise ValueError(Errors.R891.format(path=path, problem=problem))
    space = Space({}, {})
    for name, wanted in found.items():
        try:
            _add(space, str(name), wanted)
        except ValueError as error:
            raise ValueError(Errors.R892.format(path=path, name=name, problem=error)) from error
    return space


def _add(space: Space, name: str, wanted: Any) -> None:
    """Add what to try for one setting. RAISES: ValueError, which says what is wrong."""
    if isinstance(wanted, list):
        wanted = {"type": "categorical", "choices": wanted}
    if not isinstance(wanted, dict):
        raise ValueError(f"{wanted!r} is neither a list of values nor a mapping with a type")
    kind = wanted.get("type")
    if kind not in list(KEYS):
        raise ValueError(f"its type is {kind!r}, but must be one of {', '.join(KEYS)}")
    others = [key for key in wanted if key not in ("type", *KEYS[kind])]
    if others:
        raise ValueError(f"{others[0]!r} says nothing of type {kind}, but {', '.join(KEYS[kind])}")
    if kind == "categorical":
        space.choices[name] = _choices(wanted.get("choices"))
        space.distributions[name] = CategoricalDistribution(list(space.choices[name]))
    else:
        space.distributions[name] = _range(kind, wanted)


def _choices(values: Any) -> Dict[Stored, Any]:
    if not isinstance(values, list) or not values:
        raise ValueError("its choices must be a list with something in it")
    for place, value in enumerate(values):
        if any(_label(value) == _label(other) for other in values[:place]):
            raise ValueError(f"its choices have {value!r} twice")
    return {_label(value): value for value in values}


def _range(kind: str, wanted: Dict[str, Any]) -> Distribution:
    for key in ("low", "high", "step"):
        # Only a step can be left out.
        missing = wanted.get(key) is None
        if missing and key != "step":
            raise ValueError(f"it has no {key!r}")
        if not missing and not _is_number(wanted[key], whole=kind == "int"):
            number = "a whole number" if kind == "int" else "a number"
            raise ValueError(f"{key!r} is {wanted[key]!r}, but must be {number}")
    low, high, step = wanted["low"], wanted["high"], wanted.get("step")
    log = wanted.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"'log' is {log!r}, but must be true or false")
    if high <= low:
        raise ValueError(f"'high' is {high}, but must be above 'low', {low}")
    if step is not None and not 0 < step <= (high - low) * (1 + 1e-9):
        raise ValueError(f"'step' is {step}, but must be above 0, and within the range")
    if step is not None and not log and not _divides(step, high - low):
        raise ValueError(f"'high' is {high}, where no number of steps of {step} from {low} ends")
    with warnings.catch_warnings():
        # That of 0.30000000000000004 in steps of 0.1 it takes 0.3.
        warnings.simplefilter("ignore")
        try:
            return TYPES[kind](low, high, log=log, **({} if step is None else {"step": step}))
        except ValueError as error:
            raise ValueError(str(error).rstrip(".")) from error


def _divides(step: float, width: float) -> bool:
    return math.isclose(width / step, round(width / step), abs_tol=1e-8)


def _is_number(value: Any, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return False
    return math.isfinite(value)


def _label(value: Any) -> Stored:
    """What a choice is called in the study."""
    plain = value is None or isinstance(value, (bool, int, float, str))
    return value if plain else srsly.json_dumps(value)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, of which neither is a number and the other true or false."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def short_names(names: List[str]) -> Dict[str, str]:
    """The ends of dotted names that tell them apart, by the names."""
    return {name: next(_telling(name, names)) for name in names}


def _telling(name: str, names: List[str]) -> Iterator[str]:
    parts = name.split(".")
    for start in range(len(parts) - 1, -1, -1):
        end = ".".join(parts[start:])
        if not any(f".{other}".endswith(f".{end}") for other in names if other != name):
            yield end
    # It is the end of another name.
    yield name
