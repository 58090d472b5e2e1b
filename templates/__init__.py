"""Jinja templates, a folder a backend; they hold slots, not logic."""
