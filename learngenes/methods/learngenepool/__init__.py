"""LearngenePool: a small and a large auxiliary network, and linear stitches from one into the other.

Shi et al., "Building Variable-sized Models via Learngene Pool", AAAI 2024, arXiv:2312.05743.
Both networks learn from one ancestor and have equally many blocks. A descendant enters through the small one, crosses
a stitch behind some block and leaves through the large one: the further back the stitch, the cheaper it is.
"""
