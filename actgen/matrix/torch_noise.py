"""Warnings that PyTorch gives about itself; any other fails the check that it comes up in."""

from __future__ import annotations

from .check import Noise

NOISE: tuple[Noise, ...] = ()
