"""Standalone implementations, one file an activation. Written by actgen; do not edit."""
