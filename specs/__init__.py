"""Activations, declared once, as naively as a paper prints them: a page of formulas a family."""
