"""Code that defines activations: np.where(x > 0, x, alpha*x) is a formula too.

Python's own parser reads it; library names are mapped to the words of the formula language, which
then reads the expression with its whitelist. Code is never run.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import sympy
from sympy import Expr

from .. import lang, registry
from ..errors import FormulaError
from ..formula import FUNCTIONS
from . import subjects
from .claims import Claim, Constant, Equal, Location
from .context import Context
from .functions import Named
from .python import WORDS, branches, expression, number_of, parsed
from .tokens import Tok

MAX_LINES = 4000


def is_python(text: str) -> bool:
    """Whether a block is code rather than formulas set in a fixed width."""
    cleaned = _clean(text)
    return (
        bool(
            re.search(
                r"^\s*(?:def|class|import|from|return|@|print)\b|\b(?:np|tf|torch|jnp|nn|plt)\.",
                cleaned,
                re.M,
            )
        )
        or parsed(textwrap.dedent(cleaned)) is not None
    )


def _clean(text: str) -> str:
    """A cell of a notebook or a REPL session as Python: prompts and stray marks taken off."""
    lines = []
    for line in text.split("\n"):
        line = re.sub(r"^\s*(?:In\s*\[\s*\d*\s*\]\s*:|>>>|\.\.\.)\s?\|?", "", line)
        line = re.sub(r"^(\s*)[%!].*", r"\1", line)
        lines.append(line)
    return "\n".join(lines)


def claims_of(text: str, line: int, context: Context) -> Iterator[Claim]:
    """The claims of a block of code: functions and classes that return a formula, expressions."""
    if text.count("\n") > MAX_LINES:
        yield Claim(
            text[:40],
            Location(context.file, line),
            "code",
            "",
            None,
            f"more than {MAX_LINES} lines of code",
            form="code",
        )
        return
    cleaned = _clean(text)
    lines = cleaned.split("\n")
    i = 0
    while i < len(lines):
        start = re.match(r"\s*(def |class |@)", lines[i])
        if not start or lines[i].strip().startswith("@"):
            yield from _loose(lines[i], line + i, context)
            i += 1
            continue
        indent = len(lines[i]) - len(lines[i].lstrip())
        end = i + 1
        while end < len(lines) and (
            not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent
        ):
            end += 1
        body = textwrap.dedent("\n".join(lines[i:end]))
        tree = parsed(body)
        if tree is not None:
            for node in tree.body:
                yield from _node(node, line + i, context)
        i = end


def _loose(text: str, line: int, context: Context) -> Iterator[Claim]:
    """A line outside of functions: `scale * elu(x, alpha)`, a value that was printed below."""
    shown = re.match(r"\s*Out\s*\[.*?\]:\s*(.*)", text)
    code = re.sub(r"#.*", "", text).strip()
    if (
        shown
        or not code
        or not re.search(r"[-+*/(]", code)
        or code.startswith(("import", "from", "return", "print"))
    ):
        return
    tree = parsed(code)
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return
    node = tree.body[0].value
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    if not names & {"x", "z"}:
        if isinstance(node, ast.BinOp) and not names - {"np", "math", "torch"}:
            context.pending = (line, code, node)
        return
    if isinstance(node, ast.Call) and re.match(r"(plot|plt|ax|print)", ast.unparse(node.func)):
        return
    yield from _formula(code, node, {}, {}, context.subject, line, context, quiet=True)


def value_claim(printed: str, context: Context) -> Iterator[Claim]:
    """`Out[20]: 0.99…` under an expression of numbers: the value that the document prints."""
    pending = context.pending
    found = re.match(r"\s*([-+]?\d+\.\d+(?:e[-+]?\d+)?)\s*$", printed)
    if pending is None or not found:
        return
    context.pending = None
    at, code, node = pending
    place = Location(context.file, at)
    try:
        exact = expression(node, {}, {})
    except (FormulaError, RecursionError) as why:
        yield Claim(code, place, "value", "", None, str(why).split("\n")[0], form="code")
        return
    text = f"{code} = {found.group(1)}"
    value = sympy.Rational(found.group(1))
    yield Claim(
        text,
        place,
        "value",
        context.subject,
        Equal(exact, value, tokens=(Tok("NUM", found.group(1)),)),
        form="code",
    )


def _node(node: ast.stmt, line: int, context: Context) -> Iterator[Claim]:
    if isinstance(node, ast.ClassDef):
        fields = {
            s.target.id: s.value
            for s in node.body
            if isinstance(s, ast.AnnAssign)
            and isinstance(s.target, ast.Name)
            and s.value is not None
        }
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and inner.name in ("__call__", "forward", "call"):
                yield from _function(inner, node.name, line, context, fields)
    elif isinstance(node, ast.FunctionDef):
        yield from _function(node, node.name, line, context, {})


def _function(
    node: ast.FunctionDef, name: str, line: int, context: Context, fields: Mapping[str, ast.expr]
) -> Iterator[Claim]:
    arguments = [a.arg for a in node.args.args if a.arg != "self"]
    if not arguments:
        return
    defaults = dict(zip(reversed(arguments), reversed(node.args.defaults), strict=False)) | dict(
        fields
    )
    locals_: dict[str, ast.expr] = {}
    returned: ast.expr | None = None
    for statement in node.body:
        if (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            target = statement.targets[0].id
            assigned = statement.value
            if target in {n.id for n in ast.walk(assigned) if isinstance(n, ast.Name)}:
                if target in arguments and isinstance(assigned, ast.Call):
                    continue  # x = tf.constant(x): the same value
                return
            locals_[target] = assigned
        elif isinstance(statement, ast.Return) and statement.value is not None:
            returned = statement.value
        elif isinstance(statement, ast.If) and returned is None:
            returned = branches(statement, node.body)
            if returned is not None:
                break
        elif not isinstance(statement, (ast.Expr, ast.Pass)):
            return
    if returned is None:
        return
    subject = _subject(name) or ""
    order = 0
    if not subject:
        found = re.fullmatch(
            r"(?:d_?|grad_?|deriv(?:ative)?_?)?(\w+?)(?:_?(?:prime|grad|gradient|derivative|deriv|d|dx|backward))?",
            name,
        )
        subject = _subject(found.group(1)) if found and found.group(1) != name else ""
        order = 1 if subject else 0
    listed = [f"{a}={ast.unparse(defaults[a])}" if a in defaults else a for a in arguments]
    listed += [f"{a}={ast.unparse(v)}" for a, v in fields.items() if a not in arguments]
    text = f"def {name}({', '.join(listed)}): return {ast.unparse(returned)}"
    if not subject:
        if not re.search(r"[Aa]ctivat|[Ss]igm|[Ll][Uu]$|[Ss]oft|[Tt]anh", name):
            return
        reason = f"{name} is no declared activation"
        yield Claim(
            text,
            Location(context.file, line + node.lineno - 1),
            "definition",
            "",
            None,
            reason,
            form="code",
        )
        return
    at = line + node.lineno - 1
    yield from _formula(
        text,
        returned,
        locals_,
        {arguments[0]: lang.x},
        subject,
        at,
        context,
        order=order,
    )
    for parameter, given in defaults.items():
        value = number_of(given)
        if value is not None and not order and parameter in ast.unparse(returned):
            digits = ast.unparse(given)
            constant = Constant(parameter, value, digits)
            place = Location(context.file, at)
            shown = f"{name}: {parameter} = {digits}"
            yield Claim(shown, place, "constant", subject, constant, form="code")


def _subject(name: str) -> str:
    return subjects.exact(name) or subjects.exact(
        re.sub(r"_(alt|beta|numpy|np|function|fn|activation|custom)$", "", name)
    )


def _formula(
    text: str,
    node: ast.expr,
    locals_: Mapping[str, ast.expr],
    inputs: Mapping[str, Expr],
    subject: str,
    line: int,
    context: Context,
    *,
    order: int = 0,
    quiet: bool = False,
) -> Iterator[Claim]:
    place = Location(context.file, line)
    kind = "derivative" if order else "definition"
    if not subject:
        if not quiet:
            yield Claim(text, place, kind, "", None, "no activation is named", form="code")
        return
    act = registry.load(subject)
    if act.is_row or act.is_gated:
        yield Claim(
            text,
            place,
            kind,
            subject,
            None,
            "code of a row or gated function is not read",
            form="code",
        )
        return
    try:
        right = expression(node, {"x": lang.x, "z": lang.x, **inputs}, locals_)
    except (FormulaError, RecursionError) as why:
        yield Claim(text, place, kind, subject, None, str(why).split("\n")[0], form="code")
        return
    if lang.x not in right.free_symbols:
        return
    named: Named = subjects.named(act)
    left = named.derivative(order).formula if order else named.formula
    free = (left.free_symbols | right.free_symbols) - {lang.x}
    own = tuple(p.symbol for p in act.parameters if p.symbol in free)
    foreign = tuple(sorted(free - set(own), key=str))
    yield Claim(
        text, place, kind, subject, Equal(left, right, own, foreign, (), order), form="code"
    )


def inline_claims(
    text: str, line: int, context: Context, where: str = "", part: bool = False
) -> Iterator[Claim]:
    """A piece of inline code: an expression in x, or `name(x) = expression`.

    `where` is a condition printed behind it; a `part` is only one factor of what is printed.
    """
    head, equals, body = re.sub(r"(?<![<>=!])=(?!=)", "\0", text, count=1).partition("\0")
    found = re.fullmatch(r"\s*([A-Za-z_][\w.]*)\s*\(([\w\s,]*)\)\s*", head)
    subject = context.heading or context.weak
    if equals and found and not body.startswith("="):
        subject, code = _subject(found.group(1)) or subject, body
    elif equals and re.fullmatch(r"\s*(y|f|output|out)\s*", head):
        code = body
    else:
        code = text
    tree = parsed(code.strip())
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return
    node = tree.body[0].value
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    if not isinstance(node, (ast.BinOp, ast.Call, ast.IfExp, ast.UnaryOp)) or not names & {
        "x",
        "z",
        "input",
        "features",
    }:
        return
    if isinstance(node, ast.Call):
        whole = ast.unparse(node.func)
        if subjects.exact(whole) or whole.rpartition(".")[2] not in {*FUNCTIONS, *WORDS, "where"}:
            return
    inputs: dict[str, Expr] = {n: lang.x for n in ("x", "z", "input", "features") if n in names}
    if part:
        place = Location(context.file, line)
        yield Claim(text, place, "definition", subject, None, "a part of a formula", form="code")
        return
    condition = _condition(where, inputs) if where else None
    if where and condition is None:
        return
    named = bool(equals and found and _subject(found.group(1)))
    for claim in _formula(text, node, {}, inputs, subject, line, context, quiet=not equals):
        e = claim.expression
        if condition is not None and isinstance(e, Equal):
            shown = f"{text} for {where.strip()}"
            claim = replace(claim, text=shown, expression=replace(e, assume=(condition,)))
        yield replace(claim, generic=not named and condition is None, strong=False)


def _condition(where: str, inputs: Mapping[str, Expr]) -> Any:
    """The condition as SymPy; None if it is none on the input."""
    tree = parsed(where.strip().strip("`"))
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    try:
        chosen = ast.IfExp(tree.body[0].value, ast.Constant(1), ast.Constant(0))
        found = expression(chosen, {"x": lang.x, **inputs}, {})
    except (FormulaError, RecursionError, ValueError):
        return None
    return found.args[0][1] if isinstance(found, sympy.Piecewise) else None
