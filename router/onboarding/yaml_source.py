"""YAML text into plain data, with the line of everything in it; the only importer of PyYAML (docs/decisions/033).

PyYAML is an extra: importing this module raises ModuleNotFoundError where it is not installed. What is said about a file
repeats none of its values: a key may stand in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import yaml
from attrs import define, field
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from router.config.locate import KeyPath, Lines
from router.errors import ConfigError, Mistake
from router.onboarding.convert_draft import Yaml

MAX_CHARACTERS = 512 * 1024  # a long providers.yaml has 30 KB
MAX_NODES = 100_000  # an alias counts with all it stands for: a few lines of them can stand for billions
MAX_DEPTH = 64  # of brackets: PyYAML's scanner takes a second for a thousand open ones

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")  # in a complaint of the parser: pieces of the file
# what PyYAML's constructors let through where a value is not what its form or tag says
_BAD_VALUE = (ValueError, KeyError, AttributeError, TypeError, OverflowError)
_MERGE = "tag:yaml.org,2002:merge"
_Token = TypeVar("_Token")


def read_yaml(text: str, source: str) -> Yaml:
    """Return what a YAML text says. Raises ConfigError where it cannot be read; `source` is what that names.

    Aliases and merge keys (`<<`) are followed. Only plain data comes out: no tag makes an object."""
    if len(text) > MAX_CHARACTERS:
        raise _refused(source, f"is larger than {MAX_CHARACTERS // 1024} KiB")
    try:
        return _read(text, source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise _refused(source, f"is not YAML: {_without_values(error.problem)}", line) from error
    except yaml.YAMLError as error:
        raise _refused(source, "is not YAML: it has a character that is not allowed there") from error
    except RecursionError as error:
        raise _refused(source, "is nested too deeply") from error
    except _BAD_VALUE as error:  # a date that is none, a number that is none
        raise _refused(source, "holds a value that does not fit its form") from error


class _Loader(yaml.SafeLoader):
    def fetch_flow_collection_start(self, TokenClass: type[_Token]) -> None:  # noqa: N803 - PyYAML's own name
        """Open a bracket, but not the one that is too many."""
        if self.flow_level >= MAX_DEPTH:
            raise RecursionError
        super().fetch_flow_collection_start(TokenClass)


def _read(text: str, source: str) -> Yaml:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise _refused(source, "is empty")
        if _Weights().weigh(node) > MAX_NODES:
            raise _refused(source, "repeats itself too often through its aliases")
        repeated = tuple(_repeated(node, ()))  # before the constructor writes merge keys out
        value = loader.construct_document(node)
        return Yaml(name=source, value=value, lines=Lines(of_path=dict(_lines(node, ())), repeated=()), repeated=repeated)
    finally:
        loader.dispose()


@define
class _Weights:
    """How many nodes a node stands for, aliases followed; each node is looked at once."""

    _known: dict[int, int] = field(factory=dict)

    def weigh(self, node: Node) -> int:
        """Return the number. Raises RecursionError for a node that holds itself."""
        if (known := self._known.get(id(node))) is not None:
            if not known:
                raise RecursionError
            return known
        self._known[id(node)] = 0  # open: met again before it is done, it holds itself
        self._known[id(node)] = weight = 1 + sum(self.weigh(child) for child in _children(node))
        return weight


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, SequenceNode):
        yield from node.value


def _members(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Node, Node]]:
    """Yield (path, where it is said, value) of what a node holds."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                yield (*path, key.value), key, value
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value, value


def _repeated(node: Node, path: KeyPath) -> Iterator[KeyPath]:
    seen: set[KeyPath] = set()
    for below, said, value in _members(node, path):
        if below in seen and said.tag != _MERGE:
            yield below
        seen.add(below)
        yield from _repeated(value, below)


def _lines(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    for below, said, value in _members(node, path):
        yield below, said.start_mark.line + 1
        yield from _lines(value, below)


def _without_values(problem: str | None) -> str:
    return _QUOTED.sub("...", problem or "it cannot be parsed")


def _refused(source: str, message: str, line: int | None = None) -> ConfigError:
    return ConfigError(source=source, mistakes=(Mistake(path="", message=message, line=line),))
