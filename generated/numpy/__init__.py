"""Standalone implementations."""
