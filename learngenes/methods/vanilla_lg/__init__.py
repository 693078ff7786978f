"""Vanilla-LG: the last layers of an ancestor behind fresh ones.

Wang et al., "Learngene: From Open-World to Your Learning Task", AAAI 2022, arXiv:2106.06788, who found that the high
layers of a network carry over. The form for a ViT is the baseline of SWS (IJCAI 2024, Table 1): same width, the last k
blocks and the head of the ancestor, everything before them random. Untuned it answers by chance.
"""
