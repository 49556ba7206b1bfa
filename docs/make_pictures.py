"""Draw the pictures of the documentation: ``python docs/make_pictures.py``.

The code is that of ``gallery.md``: a picture shows the value of the last line of the code above it. The result is that
of ``simulacra demo``, which is fitted if the current folder has no ``simulacra-demo``.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
BLOCK = re.compile(r"```python\n(?P<code>.*?)```(\s*!\[[^\]]*\]\(pictures/(?P<picture>[\w-]+\.png)\))?", re.DOTALL)


def main() -> None:
    """Run the code of the page, and write one PNG file per picture."""
    if not Path("simulacra-demo").exists():
        subprocess.run([sys.executable, "-m", "simulacra.cli", "demo", "--quiet"], check=True)
    names: dict[str, Any] = {}
    for block in BLOCK.finditer((DOCS / "gallery.md").read_text(encoding="utf-8")):
        *lines, last = ast.parse(block["code"]).body
        if not isinstance(last, ast.Expr):
            lines, last = [*lines, last], None
        exec(compile(ast.Module(lines, []), "gallery.md", "exec"), names)
        if last is not None and block["picture"]:
            figure = eval(compile(ast.Expression(last.value), "gallery.md", "eval"), names)
            ground = getattr(figure, "ground", "white")
            options = {"dpi": 150, "metadata": {"Software": None}, "facecolor": ground}
            figure.savefig(DOCS / "pictures" / block["picture"], **options)


if __name__ == "__main__":
    main()
