"""Weight subcloning: the most important neurons of a larger network, rescaled.

Samragh et al., "Weight subcloning: direct initialization of transformers using larger pretrained ones",
arXiv:2312.09299. One forward pass over a few images ranks residual neurons, heads and hidden units of an ancestor; a
descendant keeps the most important of each, scales its linear layers to keep the size of their outputs, and drops or
repeats blocks in the middle. Optionally what was lost is made up for by least squares (`learngenes fit-size`).
"""
