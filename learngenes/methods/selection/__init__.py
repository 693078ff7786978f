"""Weight selection: a smaller network whose every tensor is picked from a larger one.

Xu et al., "Initializing Models with Larger Ones", ICLR 2024, arXiv:2311.18823. A pretrained ancestor is kept as it is;
a descendant takes its first layers, and of each tensor evenly spread rows and columns. No data and no training.
"""
