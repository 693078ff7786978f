"""TLEG: a network whose layers lie on one line.

Xia et al., "Transformer as Linear Expansion of Learngene", AAAI 2024, arXiv:2312.05614. Every tensor of block i is
`base + i/depth * slope`, in the auxiliary network that learns the two from an ancestor and in every descendant.
With `stages` every stage of the network has a line of its own, laid out as SWS lays out its stages: that is ours.
"""
