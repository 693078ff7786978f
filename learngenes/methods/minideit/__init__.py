"""Mini-DeiT: weight multiplexing, the compression model that stage-wise weight sharing is compared with.

Zhang et al., "MiniViT: Compressing Vision Transformers with Weight Multiplexing", CVPR 2022, arXiv:2204.07154.
Consecutive blocks share their linear layers; each keeps norms, head-mixing matrices and relative positions of its own.
Those extras are what no plain ViT has, so the learngene is the network itself: it makes one size and no other.
"""
