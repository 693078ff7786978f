"""Mimetic initialization: fresh weights with the structure that trained attention has.

Trockman & Kolter, "Mimetic Initialization of Self-Attention Layers", ICML 2023, arXiv:2305.09828. In trained ViTs the
product of query and key weights is close to a positive multiple of the identity, and that of value and projection to a
negative one; starting there helps on small data. No data, no ancestor: the baseline that costs nothing.
"""
