"""From the names in a data set to the classes of a model, without guessing.

A wrong assignment costs no error message, only a meaningless accuracy. So each rule applies only
where it has one reading, and what has two is refused with the way to say which is meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.files import read_file, understood

_NAMED = 5
"""How many names an error message lists."""
_MAX_LIST_BYTES = 64 << 20


@dataclass(frozen=True)
class ModelClasses:
    """What is known of a model's classes.

    Attributes:
        count: number of logits.
        labels: of the manifest, None when it has none.
        listed: names in the data set by class, from `--classes`; None without.
    """

    count: int
    labels: tuple[str, ...] | None = None
    listed: tuple[str, ...] | None = None

    def names(self) -> tuple[str, ...]:
        """One name per class for people: label, else listed name, else the index."""
        for known in (self.labels, self.listed):
            if known is not None and len(known) == self.count:
                return known
        return tuple(str(index) for index in range(self.count))


@dataclass(frozen=True)
class Assignment:
    """Class index by name, and the rule that gave it, as a sentence."""

    index: Mapping[str, int]
    rule: str


def read_class_list(path: Path, count: int) -> tuple[str, ...]:
    """Read a `--classes` file: the name in the data set of class 0, of class 1, ..., one a line.

    Args:
        path: text, UTF-8; empty lines at the end do not count.
        count: classes of the model.

    Raises:
        InputFileError: unreadable, a name twice or none, or not one line per class.
    """
    content = read_file(path, what="a list of classes", limit_bytes=_MAX_LIST_BYTES)
    with understood(path, what="a list of classes"):
        names = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    while names and not names[-1]:
        names.pop()
    if len(names) != count:
        raise InputFileError(f"{path} names {len(names)} classes, the model has {count}")
    if "" in names:
        raise InputFileError(f"{path} line {names.index('') + 1} is empty; it must name a class")
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise InputFileError(f"{path} has a name twice: {few(repeated)}")
    return tuple(names)


def assign_folders(names: Sequence[str], classes: ModelClasses) -> Assignment:
    """Classes of the folders of an ImageFolder tree.

    By the list of `--classes`; else by label, when every folder is named like a label; else by
    sorted name, as torchvision does, when there is a folder for every class.

    Args:
        names: of the folders, sorted.
        classes: of the model.

    Raises:
        InputFileError: more folders than classes, or a folder that the list does not name.
        UsageError: fewer folders, or numbers whose order has two readings.
    """
    if len(names) > classes.count:
        raise InputFileError(
            f"the data has {len(names)} class folders, the model {classes.count} classes",
            hint="the folders directly below the data set are taken for classes",
        )
    if classes.listed is not None:
        return _listed(names, classes.listed)
    if classes.labels is not None and set(names) <= set(classes.labels):
        return Assignment(_by_label(names, classes.labels), "folder names are the model's labels")
    if len(names) < classes.count:
        raise UsageError(_unassigned(names, classes), hint=_LIST_HINT)
    if all(name.isdecimal() for name in names) and sorted(names, key=int) != list(names):
        raise UsageError(
            "the class folders are numbers, and their order as text (0, 1, 10, 2: what torchvision "
            "trains with) differs from their order as numbers",
            hint="say which is meant with --classes FILE, one folder name a line: "
            "`ls DATA | LC_ALL=C sort` lists them as text, `ls DATA | sort -n` as numbers",
        )
    index = {name: position for position, name in enumerate(names)}
    return Assignment(index, "sorted folder names, as torchvision's ImageFolder")


def assign_values(values: Iterable[str], classes: ModelClasses) -> Assignment:
    """Classes of the values in a CSV's column `label`.

    By the list of `--classes`; else by label, when every value is a label; else each is an index.

    Raises:
        InputFileError: a value that is no class.
    """
    distinct = sorted(set(values))
    if classes.listed is not None:
        return _listed(distinct, classes.listed)
    if classes.labels is not None and set(distinct) <= set(classes.labels):
        return Assignment(_by_label(distinct, classes.labels), "label names")
    index = {value: int(value) for value in distinct if value.isdecimal() and len(value) < 10}
    wrong = [value for value in distinct if index.get(value, classes.count) >= classes.count]
    if wrong:
        known = "an index" if classes.labels is None else "all labels of the model, or all indices"
        raise InputFileError(
            f"unknown class in the column label: {few(wrong)}; expected {known} from 0 to "
            f"{classes.count - 1}",
            hint="names other than the model's labels are explained with --classes FILE",
        )
    return Assignment(index, "class indices")


def assign_categories(names: Sequence[str], classes: ModelClasses) -> Assignment:
    """Classes of the categories of a COCO file.

    By the list of `--classes`; else by label, when every category is named like a label; else in
    the order of their ids, when there is one for every class.

    Args:
        names: of the categories, by ascending id.
        classes: of the model.

    Raises:
        InputFileError: a category that the list does not name.
        UsageError: neither rule applies.
    """
    if classes.listed is not None:
        return _listed(names, classes.listed)
    if classes.labels is not None and set(names) <= set(classes.labels):
        return Assignment(_by_label(names, classes.labels), "category names are the model's labels")
    if len(names) != classes.count:
        raise UsageError(
            f"the data have {len(names)} categories, the model {classes.count} classes, and their "
            "names differ",
            hint="say which category is which class with --classes FILE: one name a line, class 0 "
            "first",
        )
    index = {name: position for position, name in enumerate(names)}
    return Assignment(index, "categories in the order of their ids")


_LIST_HINT = (
    "say which folder is which class with --classes FILE: one folder name a line, class 0 first"
)


def _listed(names: Iterable[str], listed: Sequence[str]) -> Assignment:
    places = {name: position for position, name in enumerate(listed)}
    unknown = [name for name in names if name not in places]
    if unknown:
        raise InputFileError(f"not in the list of --classes: {few(unknown)}")
    return Assignment(places, "the list of --classes")


def _by_label(names: Iterable[str], labels: Sequence[str]) -> dict[str, int]:
    times = Counter(labels)
    doubled = [name for name in names if times[name] > 1]
    if doubled:
        raise UsageError(
            f"the model has more than one class labelled {few(doubled)}", hint=_LIST_HINT
        )
    return {label: position for position, label in enumerate(labels)}


def _unassigned(names: Sequence[str], classes: ModelClasses) -> str:
    counts = f"the data has {len(names)} class folders, the model {classes.count} classes"
    if classes.labels is None:
        return f"{counts} without labels"
    unknown = [name for name in names if name not in set(classes.labels)]
    return f"{counts}, and these folders are not among its labels: {few(unknown)}"


def few(names: Sequence[str]) -> str:
    """The first five names, and how many more there are."""
    text = ", ".join(repr(name) for name in names[:_NAMED])
    return text if len(names) <= _NAMED else f"{text} and {len(names) - _NAMED} more"
