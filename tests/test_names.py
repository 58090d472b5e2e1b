"""The table of names: every name in the documents leads to a spec."""

from __future__ import annotations

from pathlib import Path

import pytest

import actgen
from actgen.names import document_names, markdown
from actgen.registry import aliases, names

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("row", document_names(), ids=lambda r: f"{r.document}-{r.name}")
def test_each_name_has_a_spec_or_a_reason(row) -> None:
    if not row.spec:
        assert row.note
        return
    name, _, setting = row.spec.rstrip(")").partition("(")
    act = actgen.load(name)
    if setting:
        parameter, _, value = setting.partition("=")
        assert act.parameter(parameter) and float(value)


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "names.md").read_text()
    assert page.endswith(markdown()), (
        "run: actgen list --documents, and put it below the page's text"
    )


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("swish_1", "silu"),
        ("lrelu", "leaky_relu"),
        ("quick_gelu", "gelu_sigmoid"),
        ("logistic", "sigmoid"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert actgen.load(alias) is actgen.load(name)


def test_the_required_ones_are_there() -> None:
    wanted = (
        "relu leaky_relu prelu rrelu relu6 elu celu selu gelu gelu_tanh gelu_sigmoid silu swish sigmoid tanh logsigmoid "
        "softplus softsign hardtanh hard_sigmoid hardsigmoid hardswish hardshrink softshrink tanhshrink threshold "
        "heaviside glu geglu swiglu reglu maxout softmax softmin softmax2d log_softmax keras_relu softplus_threshold"
    )
    assert set(wanted.split()) <= set(names())
    assert all(alias not in names() for alias in aliases())


def test_unknown_names_are_told_with_a_guess() -> None:
    with pytest.raises(actgen.FormulaError, match="did you mean softplus"):
        actgen.load("softpluss")
