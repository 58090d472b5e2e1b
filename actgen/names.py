"""Every name in the source documents and the spec that declares it (specs/names.csv)."""

from __future__ import annotations

import csv
import importlib.resources
from dataclasses import dataclass


@dataclass(frozen=True)
class DocumentName:
    """A name as a document prints it; `spec` is empty for what is no activation."""

    document: str
    name: str
    spec: str
    note: str


def document_names() -> list[DocumentName]:
    """The rows of the table, by document in order of appearance."""
    text = importlib.resources.files("actgen.specs").joinpath("names.csv").read_text("utf-8")
    return [DocumentName(**row) for row in csv.DictReader(text.splitlines())]


def markdown() -> str:
    """The table as Markdown."""
    lines = ["| document | name | spec | note |", "|---|---|---|---|"]
    for row in document_names():
        spec = f"`{row.spec}`" if row.spec else "none: not an activation"
        name = row.name.replace("|", "\\|")
        lines.append(f"| {row.document} | `{name}` | {spec} | {row.note} |")
    return "\n".join(lines) + "\n"
