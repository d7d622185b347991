"""The low layer of Chreode.jl against include/chreode.h: name by name, type by type. It needs no Julia.

    python ccalls.py write   makes src/LibChreode.jl from the header
    python ccalls.py check   reads what is there, with a parser of Julia, and compares

The check does not trust the writing: it takes apart the committed Julia with tree-sitter, finds every function, ccall, struct
and constant in it, and holds them against the header; and in the rest of the package every call of the low layer, its number of
arguments and every constant that is named.

Needs pycparser (it comes with cffi); the check also tree-sitter and tree-sitter-julia.
"""

import re
import sys
from pathlib import Path

from pycparser import c_ast, c_parser

HERE = Path(__file__).resolve().parent.parent
HEADER = HERE.parent.parent / "include" / "chreode.h"
LOW = HERE / "src" / "LibChreode.jl"

# What the header includes: only that these are types matters here.
PRELUDE = "".join(
    f"typedef long {name};\n" for name in "size_t ptrdiff_t int32_t uint32_t int64_t uint64_t uint8_t".split()
)
NUMBERS = {
    "size_t": "Csize_t",
    "ptrdiff_t": "Cptrdiff_t",
    "int32_t": "Int32",
    "uint32_t": "UInt32",
    "int64_t": "Int64",
    "uint64_t": "UInt64",
    "uint8_t": "UInt8",
    "double": "Cdouble",
    "float": "Cfloat",
    "char": "Cchar",
    "void": "Cvoid",
}


class Header:
    """The functions, structs and constants of the header, with types as Julia writes them."""

    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        self.constants = {m[1]: int(m[2]) for m in re.finditer(r"^#define (\w+) (-?\d+)$", text, re.MULTILINE)}
        self.structs, self.opaque, self.functions, self.callbacks = {}, [], {}, set()
        tree = c_parser.CParser().parse(PRELUDE + preprocessed(text))
        for node in tree.ext[PRELUDE.count("typedef") :]:
            if isinstance(node, c_ast.Typedef) and isinstance(node.type, c_ast.PtrDecl):
                self.callbacks.add(node.name)
            elif isinstance(node, c_ast.Typedef) and isinstance(node.type.type, c_ast.Struct):
                members = node.type.type.decls
                if members is None:
                    self.opaque.append(node.name)
                else:
                    self.structs[node.name] = [(member.name, self.julia(member.type)) for member in members]
            elif isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.Enum):
                for constant in node.type.values.enumerators:
                    self.constants[constant.name] = number(constant.value)
            elif isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl):
                parameters = [p for p in node.type.args.params if self.julia(p.type) != "Cvoid"]
                self.functions[node.name] = (
                    self.julia(node.type.type),
                    [(p.name, self.julia(p.type)) for p in parameters],
                )

    def julia(self, node):
        if isinstance(node, c_ast.PtrDecl):
            inner = self.julia(node.type)
            text = isinstance(node.type, c_ast.TypeDecl) and inner == "Cchar" and "const" in node.type.quals
            return "Cstring" if text else f"Ptr{{{inner}}}"
        if isinstance(node, c_ast.FuncDecl):
            return "Cvoid"
        (name,) = node.type.names
        return "Ptr{Cvoid}" if name in self.callbacks else NUMBERS.get(name, name)


def preprocessed(text):
    """What C99 sees: all conditions of the header are about C++ and C23."""
    kept, lines = [True], []
    for line in text.splitlines():
        word = line.strip()
        if word.startswith(("#if ", "#ifdef ")):
            kept.append(False)
        elif word.startswith("#ifndef "):
            kept.append(True)
        elif word.startswith("#else"):
            kept[-1] = not kept[-1]
        elif word.startswith("#endif"):
            kept.pop()
        elif all(kept) and not word.startswith("#"):
            lines.append(line)
    return "\n".join(lines)


def number(node):
    return -int(node.expr.value) if isinstance(node, c_ast.UnaryOp) else int(node.value)


def written(header):
    lines = [
        "# Made from include/chreode.h by tools/ccalls.py, and checked against it by the tests: change neither by hand.",
        "# One function for each of the library's, with its name, its arguments and its types.",
        "",
        "module LibChreode",
        "",
        "import Libdl",
        "import ..shielded",
        "",
        "# The library, once it is open.",
        "const library = Ref{Ptr{Cvoid}}(C_NULL)",
        "",
        "function symbol(name::Symbol)",
        "    library[] == C_NULL &&",
        "        error(\"the chreode library is not open: see Chreode.open_library\")",
        "    return Libdl.dlsym(library[], name)",
        "end",
        "",
        "const chreode_status = Int32",
        "const chreode_fate = Int32",
    ]
    lines += [f"const {name} = Int32({value})" for name, value in header.constants.items()]
    for name in header.opaque:
        lines += ["", f"struct {name} end"]
    for name, members in header.structs.items():
        lines += ["", f"struct {name}", *(f"    {member}::{kind}" for member, kind in members), "end"]
    for name, (result, parameters) in header.functions.items():
        names = [parameter for parameter, _ in parameters]
        types = [kind for _, kind in parameters]
        lines += ["", *function(name, result, names, types)]
    return "\n".join([*lines, "", "end", ""])


def function(name, result, names, types):
    """A function, laid out as `fatou format` does."""
    head = f"function {name}({', '.join(names)})"
    if len(head) > 92:
        head = f"function {name}(\n" + "".join(f"    {each},\n" for each in names) + ")"
    tuple_ = "(" + ", ".join(types) + ("," if len(types) == 1 else "") + ")"
    arguments = ["address", result, tuple_, *names]
    call = f"        ccall({', '.join(arguments)})"
    if len(call) > 92:
        if len(tuple_) > 79:  # with 12 spaces before it and a comma after
            arguments[2] = "(\n" + "".join(f"                {each},\n" for each in types) + "            )"
        call = "        ccall(\n" + "".join(f"            {each},\n" for each in arguments) + "        )"
    body = [f"    address = symbol(:{name})", "    return shielded() do", *call.splitlines(), "    end"]
    return [*head.splitlines(), *body, "end"]


def parsed(file):
    import tree_sitter_julia
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_julia.language())).parse(file.read_bytes()).root_node


def walk(node):
    yield node
    for child in node.named_children:
        yield from walk(child)


def text(node):
    return re.sub(r"\s+", "", node.text.decode())


def arguments(call):
    """The values of a call, and whether one of them stands for several."""
    for child in call.named_children:
        if child.type == "argument_list":
            values = [value for value in child.named_children if value.type not in ("line_comment", "block_comment")]
            return values, any(value.type == "splat_expression" for value in values)
    return [], False


def checked(header):
    """What is wrong, one line each, and how much was looked at."""
    wrong, root = [], parsed(LOW)

    def complain(node, message):
        wrong.append(f"{LOW.name}:{node.start_point[0] + 1}: {message}")

    if root.has_error:
        wrong.append(f"{LOW.name}: not Julia")
    functions, structs, constants = {}, {}, {}
    for node in walk(root):
        if node.type == "function_definition":
            call = next(child for child in walk(node) if child.type == "call_expression")
            name = text(call.named_children[0])
            if name in functions:
                complain(node, f"{name} is defined twice")
            functions[name] = (node, [text(value) for value in arguments(call)[0]])
        elif node.type == "struct_definition":
            typed = [child for child in walk(node) if child.type == "typed_expression"]
            name = text(next(child for child in walk(node) if child.type == "identifier"))
            structs[name] = [tuple(text(child).split("::")) for child in typed]
        elif node.type == "const_statement":
            name, _, value = text(node).removeprefix("const").partition("=")
            constants[name] = value
    for name, (result, parameters) in header.functions.items():
        if name not in functions:
            wrong.append(f"{LOW.name}: {name} is missing")
            continue
        node, names = functions.pop(name)
        calls = [c for c in walk(node) if c.type == "call_expression" and text(c.named_children[0]) == "ccall"]
        if len(calls) != 1:
            complain(node, f"{name} makes {len(calls)} ccalls")
            continue
        address, answer, types, *values = arguments(calls[0])[0]
        wanted = [parameter for parameter, _ in parameters]
        kinds = [text(kind) for kind in types.named_children]
        symbols = [c for c in walk(node) if c.type == "call_expression" and text(c.named_children[0]) == "symbol"]
        if [text(c) for c in symbols] != [f"symbol(:{name})"] or text(address) != "address":
            complain(node, f"{name} calls {[text(c) for c in symbols]}")
        # Interrupts must not jump over the library's frames.
        if not any(c.type == "call_expression" and text(c).startswith("shielded()do") for c in walk(node)):
            complain(node, f"{name} is not shielded")
        if text(answer) != result:
            complain(answer, f"{name} returns {text(answer)}, in the header {result}")
        if types.type != "tuple_expression" or kinds != [kind for _, kind in parameters]:
            complain(types, f"{name} takes {kinds}, in the header {[kind for _, kind in parameters]}")
        if names != wanted or [text(value) for value in values] != wanted:
            complain(node, f"{name} hands on {[text(value) for value in values]} of {names}, in the header {wanted}")
    wrong += [f"{LOW.name}: {name} is not in the header" for name in functions if name != "symbol"]
    for name, members in {**header.structs, **{name: [] for name in header.opaque}}.items():
        if structs.pop(name, None) != members:
            wrong.append(f"{LOW.name}: the struct {name} differs from the header: {members}")
    wrong += [f"{LOW.name}: the struct {name} is not in the header" for name in structs]
    for name, value in header.constants.items():
        if constants.get(name) != f"Int32({value})":
            wrong.append(f"{LOW.name}: {name} is {constants.get(name)}, in the header {value}")
    # What the rest of the package asks of the low layer.
    uses = 0
    for file in sorted([*(HERE / "src").glob("*.jl"), *(HERE / "test").glob("*.jl"), *(HERE / "examples").glob("*.jl")]):
        root = parsed(file)
        if root.has_error:
            wrong.append(f"{file.name}: not Julia")
        if file == LOW:
            continue
        for node in walk(root):
            where = f"{file.name}:{node.start_point[0] + 1}"
            name = text(node).removeprefix("C.")
            if node.type == "identifier" and re.fullmatch(r"chreode_\w+|CHREODE_[A-Z0-9_]+", name):
                uses += 1
                known = {*header.functions, *header.structs, *header.opaque, *header.constants, *header.callbacks}
                if name not in known | {"chreode_status", "chreode_fate", "CHREODE_LIBRARY"}:
                    wrong.append(f"{where}: {name} is not in the header")
            if node.type != "call_expression":
                continue
            name = text(node.named_children[0]).removeprefix("C.")
            values, several = arguments(node)
            if name in header.functions:
                wanted = len(header.functions[name][1])
                if several or len(values) != wanted:
                    wrong.append(f"{where}: {name} takes {wanted} arguments, here {len(values)}")
            elif name in header.structs and len(values) != len(header.structs[name]):
                wrong.append(f"{where}: {name} has {len(header.structs[name])} members, here {len(values)}")
    count = f"{len(header.functions)} functions, {len(header.structs)} structs, {len(header.constants)} constants, {uses} uses"
    return wrong, count


def main(what):
    header = Header(HEADER.read_text(encoding="utf-8"))
    if what == "write":
        LOW.write_text(written(header), encoding="utf-8")
        return 0
    wrong, count = checked(header)
    print(*wrong, f"{len(wrong)} wrong of {count}", sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    if sys.argv[1:] not in (["write"], ["check"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
