"""Architectures: what their tensors are called, how they are shaped, how the ecosystem builds them."""
