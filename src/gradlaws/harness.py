"""Serves an adapter from any Python since 3.8, with NumPy and nothing else installed: run by its path.

    python3.8 .../gradlaws/harness.py my_adapter:MyBackend

The runner starts it (`--backend "exec:gradlaws serve --python python3.8 my_adapter:MyBackend"`). The package is written
for the Pythons of the runner; this module alone is written for all, and has the others read so that an older Python
understands them: what is newer in their source is replaced by what means the same there. No other package of the
runner's environment becomes importable by this.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import typing
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "gradlaws"
#: From here on Python reads the sources as they are.
SUFFICIENT = (3, 11)
#: From here on entry points can be asked for by group.
SELECTING = (3, 10)
#: Classes that are subscripted where nobody looks at what comes of it.
SUBSCRIPTED = frozenset(
    (
        *(
            "tuple",
            "list",
            "dict",
            "set",
            "frozenset",
            "type",
            "Counter",
            "defaultdict",
            "OrderedDict",
            "deque",
        ),
        *("WeakKeyDictionary", "WeakValueDictionary", "WeakSet", "cached_property", "AbstractContextManager"),
    )
)
_KW_ONLY = "gradlaws_kw_only"


class Older(ast.NodeTransformer):
    """Source for Python 3.11 as source for 3.8; calls what is below by the names that `helpers` gives it."""

    def visit_BinOp(self, node: Any) -> Any:
        """`a | b`: of types, or of dictionaries, which older Pythons do not join so."""
        self.generic_visit(node)
        if isinstance(node.op, ast.BitOr):
            return ast.copy_location(_call("_gradlaws_or", node.left, node.right), node)
        return node

    def visit_AugAssign(self, node: Any) -> Any:
        """`a |= b`, the same in place."""
        self.generic_visit(node)
        if isinstance(node.op, ast.BitOr) and isinstance(node.target, ast.Name):
            value = _call("_gradlaws_ior", ast.Name(node.target.id, ast.Load()), node.value)
            return ast.copy_location(ast.Assign([node.target], value), node)
        return node

    def visit_Subscript(self, node: Any) -> Any:
        """`dict[str, int]` where it is computed."""
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in SUBSCRIPTED:
            return node.value
        return node

    def visit_ImportFrom(self, node: Any) -> Any:
        """The abstract classes that can be subscripted are typing's; `dataclass` and `field` are those below."""
        if node.module == "dataclasses":
            node.names = [alias for alias in node.names if alias.name not in ("dataclass", "field")]
            return node if node.names else None
        if node.module == "collections.abc" and all(hasattr(typing, alias.name) for alias in node.names):
            node.module = "typing"
        return node


def _call(name: str, *arguments: Any) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def either(a: Any, b: Any) -> Any:
    """`a | b`."""
    if isinstance(a, dict) and isinstance(b, dict):
        return {**a, **b}
    if _is_type(a) and _is_type(b):
        return _tuple(a) + _tuple(b)
    if _is_hint(a) or _is_hint(b):
        return typing.Any
    return a | b


def in_place(a: Any, b: Any) -> Any:
    """`a |= b`."""
    if isinstance(a, dict):
        a.update(b)
        return a
    a |= b
    return a


def _tuple(a: Any) -> Any:
    return a if isinstance(a, tuple) else (a,)


def _is_type(a: Any) -> bool:
    return isinstance(a, type) or (isinstance(a, tuple) and all(isinstance(one, type) for one in a))


def _is_hint(a: Any) -> bool:
    return (
        a is None
        or a is typing.Any
        or hasattr(a, "__origin__")
        or isinstance(a, (str, typing.TypeVar))
        or _is_type(a)
    )


def strict_zip(*iterables: Any, strict: bool = False) -> Any:
    """`zip`, of which `strict` insists on equal lengths."""
    if not strict:
        return builtins.zip(*iterables)
    items = [list(one) for one in iterables]
    if len({len(one) for one in items}) > 1:
        raise ValueError(f"zip() arguments are of different lengths: {[len(one) for one in items]}")
    return builtins.zip(*items)


def older_field(**options: Any) -> Any:
    """`dataclasses.field`, which remembers `kw_only`."""
    if options.pop("kw_only", False):
        options["metadata"] = {**options.get("metadata", {}), _KW_ONLY: True}
    return dataclasses.field(**options)


def older_dataclass(made: Any = None, **options: Any) -> Any:
    """`dataclasses.dataclass`, without slots, with fields that are given by name only."""
    options.pop("slots", None)
    by_name = options.pop("kw_only", False)

    def decorated(cls: Any) -> Any:
        cls = dataclasses.dataclass(init=False, **options)(cls)
        fields = dataclasses.fields(cls)
        named = [f for f in fields if by_name or f.metadata.get(_KW_ONLY)]
        placed = [f for f in fields if f not in named and f.init]

        def initialised(self: Any, *values: Any, **given: Any) -> None:
            if len(values) > len(placed):
                raise TypeError(f"{cls.__name__} takes {len(placed)} values, {len(values)} are given")
            for field, value in builtins.zip(placed, values):
                given[field.name] = value
            for field in fields:
                if field.name in given:
                    value = given.pop(field.name)
                elif field.default is not dataclasses.MISSING:
                    value = field.default
                elif field.default_factory is not dataclasses.MISSING:
                    value = field.default_factory()
                else:
                    raise TypeError(f"{cls.__name__} needs {field.name}")
                object.__setattr__(self, field.name, value)
            if given:
                raise TypeError(f"{cls.__name__} has no {', '.join(given)}")
            if hasattr(self, "__post_init__"):
                self.__post_init__()

        if "__init__" not in vars(cls):
            cls.__init__ = initialised
        return cls

    return decorated if made is None else decorated(made)


#: What each module finds among its globals.
HELPERS = {
    "_gradlaws_or": either,
    "_gradlaws_ior": in_place,
    "zip": strict_zip,
    "dataclass": older_dataclass,
    "field": older_field,
}


class Loader(importlib.machinery.SourceFileLoader):
    """Reads a module of the package, as an older Python understands it."""

    def get_code(self, fullname: str) -> Any:
        """The code of the module; compiled anew each time, since Python's own cache is not for it."""
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        if sys.version_info < SUFFICIENT:
            tree = ast.fix_missing_locations(Older().visit(tree))
        return compile(tree, path, "exec", dont_inherit=True)

    def exec_module(self, module: Any) -> None:
        """Run the module, with the names that its source needs."""
        if sys.version_info < SUFFICIENT:
            module.__dict__.update(HELPERS)
        super().exec_module(module)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of the package beside this one, and nothing else that is there; and the module of the adapter.

    That one may be written for the Python of the runner, too.
    """

    def __init__(self, adapter: str) -> None:
        self.adapter = adapter

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        """Where a module of the package is."""
        if fullname == self.adapter:
            spec = importlib.machinery.PathFinder.find_spec(fullname, path)
            if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                spec.loader = Loader(fullname, spec.loader.path)
            return spec
        if fullname.partition(".")[0] != PACKAGE:
            return None
        place = os.path.join(HERE, *fullname.split(".")[1:])
        for file, inside in ((os.path.join(place, "__init__.py"), [place]), (place + ".py", None)):
            if os.path.isfile(file):
                return importlib.util.spec_from_file_location(
                    fullname, file, loader=Loader(fullname, file), submodule_search_locations=inside
                )
        return None


def prepare(adapter: str) -> None:
    """Make the package, and an adapter's module, importable, whatever this Python is."""
    sys.path[:] = [place for place in sys.path if os.path.abspath(place or ".") != HERE]
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    sys.meta_path.insert(0, Finder(adapter))
    if sys.version_info >= SUFFICIENT:
        return
    if not hasattr(functools, "cache"):
        setattr(functools, "cache", functools.lru_cache(maxsize=None))  # noqa: B010
    if sys.version_info < SELECTING:
        setattr(importlib.metadata, "entry_points", lambda **_: ())  # noqa: B010


def main(arguments: list[str]) -> int:
    """Serve; the exit code."""
    if len(arguments) != 1:
        print("usage: harness.py NAME|MODULE:ATTRIBUTE", file=sys.stderr)
        return 4
    prepare(arguments[0].partition(":")[0])
    from gradlaws.conformance.remote.server import served

    return served(arguments[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
