"""Pictures of what the components find in texts, as HTML."""

from .display import render, serve

__all__ = ["render", "serve"]
