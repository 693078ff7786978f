"""Learngene Zoo: name a size, get a Vision Transformer that already knows something."""

__version__ = "0.1.0"
