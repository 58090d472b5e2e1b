"""What the checks showed, kept in generated/matrix.json, and the page made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from ..build import folder, own_names
from ..project import write_atomic
from ..registry import load
from ..report import describe_platform
from .check import KINDS, NO, NOT_APPLICABLE, YES, Check, Outcome, kind
from .run import framework

MATRIX = "matrix.json"
TITLES = {"torch": "PyTorch", "jax": "JAX"}


def read(backend: str) -> list[Outcome]:
    """The outcomes that are recorded of a framework."""
    return [
        Outcome(row["activation"], check, *_split(cell))
        for row in _all().get(backend, {}).get("results", ())
        for check, cell in row["cells"].items()
    ]


def _all() -> dict[str, Any]:
    path = folder() / MATRIX
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return dict(found)


def _split(cell: str) -> tuple[str, str]:
    result, _, why = cell.partition(": ")
    return result, why


def record(backend: str, outcomes: Iterable[Outcome]) -> None:
    """Merge outcomes into generated/matrix.json; those of checks that are no more go."""
    everything, checks = _all(), framework(backend).checks
    cells = {(o.activation, o.check): o for o in [*read(backend), *outcomes]}
    lines = []
    for name in own_names():
        for group in dict.fromkeys(c.group for c in checks):
            row = [cells.get((name, c.name)) for c in checks if c.group == group]
            texts = {o.check: f"{o.result}: {o.why}" if o.why else o.result for o in row if o}
            if texts:
                lines.append({"activation": name, "group": group, "cells": texts})
    platform = describe_platform() | {backend: version(backend)}
    everything[backend] = {"platform": platform, "results": lines}
    parts = [_text(name, everything[name]) for name in sorted(everything)]
    write_atomic(folder() / MATRIX, "{" + ",\n".join(parts) + "}\n")


def _text(backend: str, part: dict[str, Any]) -> str:
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in part["results"])
    head = json.dumps(part["platform"], ensure_ascii=False)
    return f'"{backend}": {{"platform": {head},\n"results": [\n{lines}\n]}}'


def unexplained(backend: str, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The outcomes that are no, for no limitation of the framework's own."""
    limited = {c.name for c in framework(backend).checks if c.limitation}
    return [o for o in outcomes if o.result == NO and o.check not in limited]


# The page.


def markdown(backend: str) -> str:
    """The recorded matrix as Markdown: how many activations of each kind pass each check."""
    outcomes = read(backend)
    checks = framework(backend).checks
    platform = _all().get(backend, {}).get("platform", {})
    names = list(dict.fromkeys(o.activation for o in outcomes))
    tried = [o for o in outcomes if o.result != NOT_APPLICABLE]
    passed = sum(o.result == YES for o in tried)
    kinds = {name: kind(load(name)) for name in names}
    command = f"`actgen matrix --backend {backend}"
    lines = [
        f"# What works in {TITLES[backend]}",
        "",
        f"{command} --record` tried it, {command} --markdown` prints this page.",
        f"{len(names)} activations, {len(checks)} checks, {backend} {platform.get(backend, '?')}: "
        f"{passed:,} of {len(tried):,} pass. A cell says of how many activations of a kind a check "
        "holds; – where it does not apply.",
        "",
    ]
    for group in dict.fromkeys(c.group for c in checks):
        lines += [
            f"| {group} | asks for | {' | '.join(KINDS)} |",
            f"|---|---|{'--:|' * len(KINDS)}",
        ]
        for c in checks:
            if c.group == group:
                cells = [_cell(outcomes, c.name, kinds, k) for k in KINDS]
                lines.append(f"| {c.name} | {_escaped(c.meaning)} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join([*lines, *_failures(outcomes, checks)])


def _cell(outcomes: Sequence[Outcome], check: str, kinds: dict[str, str], k: str) -> str:
    results = [o.result for o in outcomes if o.check == check and kinds[o.activation] == k]
    tried, passed = len(results) - results.count(NOT_APPLICABLE), results.count(YES)
    if not tried:
        return NOT_APPLICABLE
    return f"{passed}" if passed == tried else f"**{passed} of {tried}**"


def _failures(outcomes: Sequence[Outcome], checks: Sequence[Check]) -> list[str]:
    lines = []
    for c in checks:
        failed = [o for o in outcomes if o.check == c.name and o.result == NO]
        if failed and c.limitation:
            lines.append(f"- {c.name}: {_escaped(c.limitation)}")
        elif failed:
            whys: dict[str, list[str]] = {}
            for o in failed:
                whys.setdefault(o.why, []).append(o.activation)
            lines += [f"- {c.name}, {', '.join(who)}: {_escaped(why)}" for why, who in whys.items()]
    return ["Not so:", "", *lines, ""] if lines else []


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")
