"""Bicep as far as the tests look at it: what a file declares, with its objects as Python's."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))


class Code(str):
    """An expression, as it is written."""


class Declaration(NamedTuple):
    symbol: str
    type: str  # of a resource: microsoft.web/sites; of a module: its path
    value: Any  # the body, the default of a parameter, the value of a variable or output; None where there is none
    existing: bool
    decorators: dict[str, list[Any]]


class Template(NamedTuple):
    resources: list[Declaration]
    modules: list[Declaration]
    parameters: dict[str, Declaration]
    variables: dict[str, Declaration]
    outputs: dict[str, Declaration]


def parse(text: str) -> Template:
    """Raises SyntaxError with the first line that cannot be parsed."""
    root = _PARSER.parse(text.encode()).root_node
    if root.has_error:
        raise SyntaxError(f"line {next(_faults(root)).start_point.row + 1}")
    found: dict[str, list[Declaration]] = {
        kind: [] for kind in ("resource", "module", "parameter", "variable", "output")
    }
    decorators: dict[str, list[Any]] = {}
    for node in root.named_children:
        if node.type == "decorators":
            decorators |= {_text(call.named_children[0]): _arguments(call) for call in map(_call, node.named_children)}
        elif (kind := node.type.removesuffix("_declaration")) in found:
            found[kind].append(_declaration(node, decorators))
            decorators = {}
    resources, modules, *named = found.values()
    return Template(resources, modules, *({declared.symbol: declared for declared in many} for many in named))


def value(node: Node) -> Any:
    """A literal as Python's; a conditional body or an element of a loop as the object it makes; the rest as Code."""
    match node.type:
        case "object":
            return {_key(pair): value(pair.named_children[1]) for pair in node.named_children if pair.named_children}
        case "array":
            return [value(element) for element in node.named_children if element.type != "comment"]
        case "string" if all(child.type != "interpolation" for child in node.named_children):
            return "".join(map(_text, node.named_children))
        case "number":
            return int(_text(node))
        case "boolean":
            return _text(node) == "true"
        case "for_statement" | "if_statement":
            return value(node.named_children[-1])
    return Code(_text(node))


def _declaration(node: Node, decorators: dict[str, list[Any]]) -> Declaration:
    symbol, *rest = [child for child in node.named_children if child.type != "comment"]
    kind = ""
    if node.type in ("resource_declaration", "module_declaration"):
        kind, rest = value(rest[0]).partition("@")[0], rest[1:]
    elif node.type != "variable_declaration":
        kind, rest = _text(rest[0]), rest[1:]
    existing = any(child.type == "existing" for child in node.children)
    return Declaration(_text(symbol), kind.lower(), value(rest[0]) if rest else None, existing, decorators)


def _key(pair: Node) -> str:
    key = pair.named_children[0]
    return _text(key) if key.type == "identifier" else str(value(key))


def _call(decorator: Node) -> Node:
    return decorator.named_children[0]


def _arguments(call: Node) -> list[Any]:
    return [value(argument) for argument in call.named_children[1].named_children]


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _faults(node: Node) -> Iterator[Node]:
    if node.type == "ERROR" or node.is_missing:
        yield node
    for child in node.children:
        if child.has_error or child.is_missing:
            yield from _faults(child)
