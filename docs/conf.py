"""How the site is built: `python -m sphinx -W -n -b html docs site`. Nothing is fetched while it is built.

Pages with formulas load MathJax from a public server (jsDelivr) when they are read; offline they show the TeX source.
"""

import importlib
import importlib.metadata
import os
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ROOMS = (
    "simulacra.formalism",
    "simulacra.formalism.emissions",
    "simulacra.data",
    "simulacra.lm",
    "simulacra.inference",
    "simulacra.analysis",
    "simulacra.report",
    "simulacra.report.figures",
)

project = "simulacra"
author = copyright = "The simulacra developers"
version = release = importlib.metadata.version("simulacra")

extensions = ["myst_nb", "sphinx_design", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]
nitpicky = True

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = os.environ.get("SIMULACRA_DOCS_EXECUTE", "force")  # "off" for a quick look
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_output_stderr = "remove"
nb_execution_in_temp = True  # pages write files
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # pages run the command
# Width of the command's tables. Pages pipe the command through cat, because IPython breaks lines of a terminal.
os.environ["COLUMNS"] = "100"

smartquotes_action = "qe"  # no dashes from the hyphens of options

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_use_ivar = True
napoleon_use_rtype = False

# Types of other libraries, whose sites cannot be asked offline, and names of axes in the shapes of arrays.
nitpick_ignore_regex = [(r"py:.*", r"(?!simulacra)[\w.]+.*"), (r"py:.*", r"'.*'")]
# Types of fields that nobody is meant to make or name, and a class whose module needs PyTorch.
nitpick_ignore = [
    ("py:class", "simulacra.lm.scoring.forward.CompletionScorer"),  # imports torch
    ("py:func", "simulacra.lm.scoring.loading.load_language_model"),
    ("py:class", "simulacra.lm.scoring.work.Work"),
    ("py:class", "simulacra.data.reading.columns.Header"),
    ("py:class", "simulacra.data.reading.column_map.ColumnMap"),
    ("py:class", "simulacra.data.reading.choices.Choices"),
    ("py:class", "simulacra.data.reading.sheets.FileOptions"),
    ("py:class", "simulacra.formalism.weights.Term"),
]

html_theme = "pydata_sphinx_theme"
html_title = "simulacra"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {"**": ["sections"]}
templates_path = ["_templates"]
html_theme_options = {
    "navbar_center": [],  # the sidebar has all pages, by section
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
}


def _public_names() -> dict[str, str]:
    """Where an object is written to where users import it from: ``simulacra.data.log.CompletionLog`` and so on."""
    names = {}
    for room in ROOMS:
        for name, value in vars(importlib.import_module(room)).items():
            written = f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', name)}"
            if not name.startswith("_") and written.startswith("simulacra."):
                names.setdefault(written, f"{room}.{name}")
    return names


def _resolve_where_written(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Links by the module that an object is written in lead to its place in the reference."""
    names: dict[str, str] = app.config.public_names
    target = node.get("reftarget", "")
    owner, _, member = target.rpartition(".")
    public = names.get(target) or (f"{names[owner]}.{member}" if owner in names else None)
    if public is None or public == target:
        return None
    domain: Any = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], public, node, content)


def _parsable(
    app: Sphinx, what: str, name: str, of: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Functions as defaults by their names, and ``...`` for ``<factory>``, which Sphinx does not parse."""
    if signature is None:
        return signature, returned
    named = re.sub(r"<function (\w+)>", r"\1", signature)
    return named.replace("<factory>", "..."), returned


def _described_above(app: Sphinx, what: str, name: str, of: Any, skip: bool, options: Any) -> bool | None:  # noqa: FBT001
    """Fields of named tuples, which their class describes; Python calls each "Alias for field number" so and so."""
    return True if str(getattr(of, "__doc__", "")).startswith("Alias for field number") else None


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_config_value("public_names", _public_names(), "env")
    app.connect("missing-reference", _resolve_where_written)
    app.connect("autodoc-process-signature", _parsable)
    app.connect("autodoc-skip-member", _described_above)
