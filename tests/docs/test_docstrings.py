"""Every public name says what it is, with shapes, units, errors and source: read from the code, none left out.

The laws hold for every name in the ``__all__`` of a module and for the public members of classes:

- there is a docstring;
- its *Args* are the parameters, all or none; its *Attributes* are the fields of a class, all of them where a room
  re-exports it;
- what raises, itself or through a private function of its module, has a *Raises* that names the error;
- an array that is taken, returned or held has its shape beside it, or named axes in its type;
- logs and divergences are in nats; rates, weights and probabilities say that they are in [0, 1];
- mathematics names its equation or its source, in its own docstring or in that of its module.
"""

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence

import griffe
import pytest

from tests.docs.conftest import ROOT

_PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
ROOMS = [package for package in _PACKAGES if package.count(".") == 1 and package != "simulacra.cli"]

_ARRAY = re.compile(r"\b(np\.ndarray|xr\.DataArray|ArrayLike|Array)\b(?!\[)")
_NAMED_AXES = re.compile(r"\b(Float|Int|Bool|UInt32)\[")
_SHAPE = re.compile(r"\bshapes?\b|\bdims?\b|``\([^`]*\)``|\bscalar\b|\bany shape\b", re.IGNORECASE)
_SOURCE = re.compile(r"\beqs?\. ?\(|doi:|arXiv:|\(\d{4}\)")


def modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for below in module.modules.values():
        if not below.is_alias:
            yield from modules(below)


def _loaded() -> list[griffe.Module]:
    loader = griffe.GriffeLoader(docstring_parser=griffe.Parser.google)
    return [module for room in ROOMS for module in modules(loader.load(room))]


def public(module: griffe.Module) -> Iterator[griffe.Object]:
    """Objects of a module's ``__all__``, with the public members of its classes."""
    for name in map(str, module.exports or []):
        if module[name].is_alias or module[name].is_module:
            continue  # documented where it is written
        yield module[name]
        if module[name].is_class:
            members = module[name].members.items()
            yield from (own for name, own in members if not name.startswith("_") and not _is_field(own))


def _is_field(own: griffe.Object) -> bool:
    """Whether its class documents it: a field, or an attribute that ``__init__`` sets."""
    return own.is_attribute and "property" not in own.labels


MODULES = _loaded()
OBJECTS = {own.path: own for module in MODULES for own in public(module)}
SHOWN = {
    own.final_target.path
    for module in MODULES
    if module.is_init_module
    for own in module.members.values()
    if own.is_alias and own.target_path.startswith("simulacra.")
}
FUNCTIONS = {path: own for path, own in OBJECTS.items() if own.is_function}
CLASSES = {path: own for path, own in OBJECTS.items() if own.is_class}


def each(objects: dict[str, griffe.Object]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("own", objects.values(), ids=[path.removeprefix("simulacra.") for path in objects])


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
    """Annotated fields of the class body: what a dataclass or named tuple is made of."""
    return {
        name: field
        for name, field in own.attributes.items()
        if not name.startswith("_") and field.annotation is not None and "property" not in field.labels
    }


def inherits(own: griffe.Object) -> bool:
    """Whether the member is documented by the class of ours that declares it."""
    return isinstance(own.parent, griffe.Class) and any(own.name in base.members for base in own.parent.mro())


def test_there_is_something_to_count() -> None:
    assert len(OBJECTS) > 150
    assert {"simulacra.formalism.mixture.PersonaMixture", "simulacra.inference.result.Result.rates"} <= set(OBJECTS)


def test_what_rooms_re_export_is_counted() -> None:
    assert set(OBJECTS) >= SHOWN


@each(OBJECTS)
def test_it_has_a_docstring(own: griffe.Object) -> None:
    assert text(own) or own.is_type_alias


@each({path: own for path, own in FUNCTIONS.items() if section(own, griffe.DocstringSectionKind.parameters)})
def test_args_are_the_parameters(own: griffe.Function) -> None:
    named = section(own, griffe.DocstringSectionKind.parameters)
    assert [name.strip("*") for name in named] == [parameter.name.strip("*") for parameter in parameters(own)]


@each({path: own for path, own in CLASSES.items() if fields(own) and path in SHOWN})
def test_attributes_are_the_fields(own: griffe.Class) -> None:
    named = section(own, griffe.DocstringSectionKind.attributes) or section(own, griffe.DocstringSectionKind.parameters)
    assert set(fields(own)) - {name for name, field in fields(own).items() if text(field)} <= set(named)


# --- errors ---------------------------------------------------------------------------------------------------------


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for below in ast.iter_child_nodes(node):
        if not isinstance(below, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            yield below
            yield from _own_nodes(below)


def _called(node: ast.AST) -> set[str]:
    calls = (below.func for below in _own_nodes(node) if isinstance(below, ast.Call))
    return {each.id if isinstance(each, ast.Name) else getattr(each, "attr", "") for each in calls}


def _raised(name: str, definitions: dict[str, ast.FunctionDef], seen: frozenset[str] = frozenset()) -> set[str]:
    """Names of the errors that a function raises, itself or through private functions of the same module."""
    node = definitions[name]
    raised: set[str] = set()
    for below in _own_nodes(node):
        if isinstance(below, ast.Raise) and below.exc is not None:
            made = below.exc.func if isinstance(below.exc, ast.Call) else below.exc
            raised.add(made.id if isinstance(made, ast.Name) else made.attr)
    for other in _called(node) - {name} - seen:
        if other.startswith("_") and other in definitions:
            raised |= _raised(other, definitions, seen | {name})
    return raised


def _definitions(tree: ast.AST) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def errors(own: griffe.Function | griffe.Class) -> set[str]:
    tree = ast.parse(own.filepath.read_text(encoding="utf-8"))
    whole = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if own.is_class or isinstance(own.parent, griffe.Class):
        owner = own.name if own.is_class else own.parent.name
        body = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == owner)
        whole |= _definitions(body)
    names = ("__init__", "__post_init__", "__init_subclass__") if own.is_class else (own.name,)
    return set().union(*(_raised(name, whole) for name in names if name in whole))


@each({path: own for path, own in OBJECTS.items() if own.is_class or own.is_function or "property" in own.labels})
def test_what_raises_says_so(own: griffe.Function | griffe.Class) -> None:
    raised = errors(own)
    named = section(own, griffe.DocstringSectionKind.raises)
    errors_by_name = {name for name in raised if name[:1].isupper()}
    assert not raised or named
    assert errors_by_name <= set(named), errors_by_name


# --- shapes, units, sources -----------------------------------------------------------------------------------------


def has_shapeless_array(annotation: object) -> bool:
    written = str(annotation)
    return bool(_ARRAY.search(written)) and not _NAMED_AXES.search(written)


def unsaid(names: Sequence[tuple[str, object]], described: dict[str, str], whole: str) -> list[str]:
    """Array arguments or fields without a shape in their own line, or in the docstring where they have no line."""
    arrays = [name for name, annotation in names if has_shapeless_array(annotation)]
    return [name for name in arrays if not _SHAPE.search(described.get(name, whole))]


@each(FUNCTIONS)
def test_arrays_have_shapes(own: griffe.Function) -> None:
    if inherits(own):
        return
    arguments = [(parameter.name, parameter.annotation) for parameter in parameters(own)]
    described = section(own, griffe.DocstringSectionKind.parameters)
    assert not unsaid(arguments, described, text(own))
    if has_shapeless_array(own.returns):
        assert _SHAPE.search(text(own))


@each({path: own for path, own in OBJECTS.items() if own.is_attribute and "property" in own.labels})
def test_array_properties_have_shapes(own: griffe.Attribute) -> None:
    assert inherits(own) or not has_shapeless_array(own.annotation) or _SHAPE.search(text(own))


@each({path: own for path, own in CLASSES.items() if path in SHOWN})
def test_array_fields_have_shapes(own: griffe.Class) -> None:
    held = [(name, field.annotation) for name, field in fields(own).items() if not text(field)]
    attributes = section(own, griffe.DocstringSectionKind.attributes)
    assert not unsaid(held, attributes or section(own, griffe.DocstringSectionKind.parameters), text(own))


_NUMBER = re.compile(r"\b(np\.ndarray|Array|Float|float|xr\.DataArray|xr\.Dataset)\b")
_UNITS = {
    r"(^|_)log(_|$)|log_prob|likelihood|density|jensen|divergence": r"\bnats\b",
    r"^(weights|rates?|.*_weights|.*_rates?|.*probabilit(y|ies)|total_variation|responsibilities)$": (
        r"\bprobabilit|\[0, 1\]|sums? to one|\beq\. \(7\)|\brates?\b|P\("
    ),
}


@each(FUNCTIONS)
def test_numbers_have_units(own: griffe.Function) -> None:
    if inherits(own) or not _NUMBER.search(str(own.returns)):
        return
    for pattern, unit in _UNITS.items():
        if re.search(pattern, own.name):
            assert re.search(unit, text(own))


_NO_MATHEMATICS = ("fit", "prepare", "sample", "store", "ensembles")  # they call it, lay it out or keep it


def _is_mathematics(module: griffe.Module) -> bool:
    """Whether a module of the model or of its inference computes on arrays."""
    ours = module.path.startswith(("simulacra.formalism.", "simulacra.inference."))
    types = [str(part.annotation) for own in module.functions.values() for part in own.parameters]
    types += [str(own.returns) for own in module.functions.values()]
    arrays = any(_ARRAY.search(each) or _NAMED_AXES.search(each) for each in types)
    return ours and arrays and bool(module.exports) and module.name not in _NO_MATHEMATICS


@pytest.mark.parametrize("module", [m for m in MODULES if _is_mathematics(m)], ids=lambda module: module.path)
def test_mathematics_names_its_source(module: griffe.Module) -> None:
    public_texts = [text(own) for own in public(module)]
    assert any(_SOURCE.search(each) for each in [text(module), *public_texts])
