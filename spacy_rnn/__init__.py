"""Recurrent networks as spaCy components."""

__version__ = "0.2.0"
