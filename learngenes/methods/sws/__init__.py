"""SWS: stage-wise weight sharing.

Xia et al., "Exploring Learngene via Stage-wise Weight Sharing for Initializing Variable-sized Models", IJCAI 2024.
An auxiliary network is divided into stages whose blocks share one set of weights, and learns from an ancestor's
logits. The learngene is one block per stage with the frame around them; because a block has been trained to work
when repeated, a descendant of any depth is made by repeating it more or less often, in the order of the stages.
"""
