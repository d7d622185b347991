"""How the package is made."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import chreode

PACKAGE = Path(chreode.__file__).parent
TOOL = Path(__file__).parents[1] / "tools" / "option_types.py"


def _imported(file):
    """The modules of the package that a module imports, also inside functions and for type checkers alone."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found.update([node.module] if node.module else [name.name for name in node.names])
    return found


def test_imports_run_one_way():
    graph = {file.stem: _imported(file) for file in PACKAGE.glob("*.py")}
    order = list(TopologicalSorter(graph).static_order())  # a circle is an error of its own
    assert order.index("_errors") < order.index("_library") < order.index("_dynamics") < order.index("_fit")
    assert graph["_errors"] == set() and order[-1] == "__init__"


def test_the_types_of_options_are_those_of_the_library():
    namespace = {"__file__": str(TOOL), "__name__": "option_types"}
    exec(compile(TOOL.read_text(encoding="utf-8"), str(TOOL), "exec"), namespace)
    committed = namespace["FILE"].read_text(encoding="utf-8")
    assert committed == namespace["render"](), "run python bindings/python/tools/option_types.py"
