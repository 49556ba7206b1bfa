"""Every public name has a docstring with shapes, units, errors and sources; all names are read from the code.

The laws hold for every name in the ``__all__`` of a module and for the public members of classes:

- there is a docstring;
- its *Args* are the parameters, all or none; its *Attributes* are the fields of a class, all of them where a room
  re-exports it;
- the first line of a property has no colon, before which the reference would take the words for a type;
- what raises, itself or through a private function of its module, has a *Raises* that names the error;
- an array that is taken, returned or held has its shape in the docstring, or named axes in its type;
- logs and divergences are in nats; rates, weights and probabilities are described as such;
- mathematics names its equation or its source, in its own docstring or in that of its module.
"""

import ast
import functools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import griffe

from tests.docs.conftest import ROOT

_PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
ROOMS = [package for package in _PACKAGES if package.count(".") == 1 and package != "simulacra.cli"]
Kind = griffe.DocstringSectionKind


def modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for below in module.modules.values():
        if not below.is_alias:
            yield from modules(below)


def public(module: griffe.Module) -> Iterator[griffe.Object]:
    """Objects of a module's ``__all__``, with the public members of its classes; what is imported is left out."""
    for own in (module.members.get(str(name)) for name in module.exports or []):
        if own is None or own.is_alias or own.is_module:  # None: one of several constants in one assignment
            continue
        yield own
        if own.is_class:
            members = own.members.items()
            yield from (below for name, below in members if not name.startswith("_") and not _is_field(below))


def _is_field(own: griffe.Object) -> bool:
    """Whether its class documents it: a field, or an attribute that ``__init__`` sets."""
    return own.is_attribute and "property" not in own.labels


@functools.cache  # here and below: only the worker that runs these tests loads all modules
def rooms() -> list[griffe.Module]:
    loaded = griffe.load("simulacra", docstring_parser=griffe.Parser.google)  # loading a room loads all of them
    return [module for room in ROOMS for module in modules(loaded[room.partition(".")[2]])]


@functools.cache
def objects() -> dict[str, griffe.Object]:
    return {own.path: own for module in rooms() for own in public(module)}


def functions() -> dict[str, griffe.Object]:
    return {path: own for path, own in objects().items() if own.is_function}


def properties() -> dict[str, griffe.Object]:
    return {path: own for path, own in objects().items() if "property" in own.labels}


def classes() -> dict[str, griffe.Object]:
    return {path: own for path, own in objects().items() if own.is_class}


def shown() -> set[str]:
    """What a room re-exports."""
    aliases = [own for module in rooms() if module.is_init_module for own in module.members.values() if own.is_alias]
    return {own.final_target.path for own in aliases if own.target_path.startswith("simulacra.")}


def classes_shown() -> dict[str, griffe.Object]:
    names = shown()
    return {path: own for path, own in classes().items() if path in names}


def law(
    chosen: Callable[[], Mapping[str, griffe.Object]],
) -> Callable[[Callable[[griffe.Object], object]], Callable[[], None]]:
    """A test that counts the objects of which the decorated function finds something wrong."""

    def test_of(wrong: Callable[[griffe.Object], object]) -> Callable[[], None]:
        def test() -> None:
            broken = {path: found for path, own in chosen().items() if (found := wrong(own))}
            assert not broken, f"{len(broken)} of {len(chosen())}"

        return test

    return test_of


def text(own: griffe.Object) -> str:
    return own.docstring.value if own.docstring else ""


def section(own: griffe.Object, kind: griffe.DocstringSectionKind) -> dict[str, str]:
    """The entries of a section by name."""
    sections = own.docstring.parsed if own.docstring else []
    entries = [entry for part in sections if part.kind is kind for entry in part.value]
    return {getattr(entry, "name", None) or str(entry.annotation): entry.description for entry in entries}


def parameters(own: griffe.Function) -> list[griffe.Parameter]:
    return [each for each in own.parameters if each.name not in ("self", "cls")]


def fields(own: griffe.Class) -> dict[str, griffe.Attribute]:
    """What an instance of a dataclass or named tuple is made of, but for fields with a separate docstring."""
    return {
        name: field
        for name, field in own.attributes.items()
        if not name.startswith("_") and field.annotation is not None and _is_field(field) and not text(field)
        # ClassVar makes a class attribute that is not an instance attribute; a default makes both.
        if not ("class-attribute" in field.labels and "instance-attribute" not in field.labels)
    }


def declared_above(own: griffe.Object) -> bool:
    """Whether the member is documented by the class of ours that declares it."""
    return isinstance(own.parent, griffe.Class) and any(own.name in base.members for base in own.parent.mro())


def test_there_is_something_to_count() -> None:
    assert len(objects()) > 150
    assert {"simulacra.formalism.mixture.PersonaMixture", "simulacra.inference.result.Result.rates"} <= set(objects())
    assert set(objects()) >= shown()
    assert "kind" not in fields(objects()["simulacra.formalism.emissions.scores.ScoreEmission"])
    assert {"cuts", "bounds"} <= set(fields(objects()["simulacra.formalism.emissions.scores.ScoreEmission"]))


@law(objects)
def test_each_has_a_docstring(own: griffe.Object) -> object:
    return not text(own)


@law(functions)
def test_args_are_the_parameters(own: griffe.Function) -> object:
    named = [name.strip("*") for name in section(own, Kind.parameters)]
    return named and named != [parameter.name.strip("*") for parameter in parameters(own)]


@law(classes_shown)
def test_attributes_are_the_fields(own: griffe.Class) -> object:
    return set(fields(own)) - set(section(own, Kind.attributes)) - set(section(own, Kind.parameters))


@law(properties)
def test_summaries_of_properties_have_no_type(own: griffe.Attribute) -> object:
    return ":" in re.sub(r"``.+?``|:[\w:]+:`.+?`", "", text(own).partition("\n")[0])


# --- errors ---------------------------------------------------------------------------------------------------------


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What is below a node, without nested functions and without what is tried, since its errors are caught."""
    for below in ast.iter_child_nodes(node):
        if isinstance(below, ast.Try):
            for after in (*below.handlers, *below.orelse):
                yield from (after, *_own_nodes(after))
        elif not isinstance(below, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            yield from (below, *_own_nodes(below))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _raised(name: str, definitions: Mapping[str, ast.FunctionDef], seen: frozenset[str] = frozenset()) -> set[str]:
    """What a function raises, itself or through private functions of the same module: classes, or who makes them."""
    below = list(_own_nodes(definitions[name]))
    raises = [node.exc for node in below if isinstance(node, ast.Raise) and node.exc is not None]
    found = {_name(made.func if isinstance(made, ast.Call) else made) for made in raises}
    for called in {_name(node.func) for node in below if isinstance(node, ast.Call)} - seen - {name}:
        if called.startswith("_") and called in definitions:
            found |= _raised(called, definitions, seen | {name})
    return found


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def errors(own: griffe.Object) -> set[str]:
    tree = parsed(own.filepath)
    bodies = [tree.body]
    owner = own if own.is_class else own.parent
    if owner.is_class:
        bodies += [node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == owner.name]
    known = {node.name: node for body in bodies for node in body if isinstance(node, ast.FunctionDef)}
    names = ("__init__", "__post_init__", "__init_subclass__") if own.is_class else (own.name,)
    return set().union(*(_raised(name, known) for name in names if name in known))


@law(lambda: classes() | functions())
def test_what_raises_says_so(own: griffe.Object) -> object:
    raised, named = errors(own), {name.rpartition(".")[2] for name in section(own, Kind.raises)}
    return {name for name in raised if name[:1].isupper()} - named or (raised and not named)


# --- shapes, units, sources -----------------------------------------------------------------------------------------

_ARRAY = re.compile(r"\b(np\.ndarray|xr\.DataArray|ArrayLike|Array)\b(?!\[)")
_NAMED_AXES = re.compile(r"\b(Float|Int|Bool|UInt32)\[")
_SHAPE = re.compile(r"\bshapes?\b|\bdims?\b|``\([^`]*\)``|\bscalar\b", re.IGNORECASE)


def without_shape(annotation: object) -> bool:
    return bool(_ARRAY.search(str(annotation))) and not _NAMED_AXES.search(str(annotation))


def unsaid(names: Sequence[tuple[str, object]], described: Mapping[str, str], whole: str) -> list[str]:
    """Arrays without a shape in their own line, or in the docstring where they have no line."""
    return [name for name, kind in names if without_shape(kind) and not _SHAPE.search(described.get(name, whole))]


@law(lambda: {path: own for path, own in functions().items() if not declared_above(own)})
def test_arrays_that_go_in_and_out_have_shapes(own: griffe.Function) -> object:
    arguments = [(parameter.name, parameter.annotation) for parameter in parameters(own)]
    wrong = unsaid(arguments, section(own, Kind.parameters), text(own))
    return wrong or (without_shape(own.returns) and not _SHAPE.search(text(own)))


@law(lambda: {path: own for path, own in properties().items() if not declared_above(own)})
def test_array_properties_have_shapes(own: griffe.Attribute) -> object:
    return without_shape(own.annotation) and not _SHAPE.search(text(own))


@law(classes_shown)
def test_arrays_that_are_held_have_shapes(own: griffe.Class) -> object:
    described = section(own, Kind.attributes) or section(own, Kind.parameters)
    return unsaid([(name, field.annotation) for name, field in fields(own).items()], described, text(own))


_NUMBER = re.compile(r"\b(np\.ndarray|Array|Float|float|xr\.DataArray)\b")
_UNITS = {
    r"(^|_)log(_|$)|likelihood|density|jensen|divergence": r"\bnats\b",
    r"^(.*_)?(weights|rates?|probabilit(y|ies)|responsibilities)$|total_variation": (
        r"[Pp]robabilit|\[0, 1\]|sums? to one|eq\. \(7\)|\brates?\b|P\("
    ),
}


@law(
    lambda: {
        path: own for path, own in functions().items() if _NUMBER.search(str(own.returns)) and not declared_above(own)
    }
)
def test_numbers_have_units(own: griffe.Function) -> object:
    return [unit for name, unit in _UNITS.items() if re.search(name, own.name) and not re.search(unit, text(own))]


_SOURCE = re.compile(r"\beqs?\. ?\(|doi:|arXiv:|\(\d{4}\)")
_NO_MATHEMATICS = (
    "fit",
    "prepare",
    "sample",
    "store",
    "chain_store",
    "ensembles",
)  # they call it, lay it out or keep it


def _is_mathematics(module: griffe.Module) -> bool:
    """Whether a module of the model or of its inference computes on arrays."""
    ours = module.path.startswith(("simulacra.formalism.", "simulacra.inference."))
    types = [str(part.annotation) for own in module.functions.values() for part in own.parameters]
    types += [str(own.returns) for own in module.functions.values()]
    arrays = any(_ARRAY.search(each) or _NAMED_AXES.search(each) for each in types)
    return ours and arrays and bool(module.exports) and module.name not in _NO_MATHEMATICS


@law(lambda: {module.path: module for module in rooms() if _is_mathematics(module)})
def test_mathematics_names_its_source(module: griffe.Module) -> object:
    return not any(_SOURCE.search(each) for each in [text(module), *map(text, public(module))])
