"""Scratch: nothing learned, the start that every method is compared with.

Linear weights, embeddings and patch kernels are normal of standard deviation 0.02 cut at two of them, biases zero and
norms one, as in DeiT (arXiv:2012.12877). The learngene is a geometry and an empty file.
"""
