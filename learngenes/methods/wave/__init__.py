"""WAVE: weight templates for adaptive initialization of variable-sized models.

Feng et al., "WAVE: Weight Templates for Adaptive Initialization of Variable-sized Models", arXiv:2406.17503.
Every tensor of a network is a grid of blocks, and every block a weighted sum of a few templates that all layers share:
W = sum_t S_t (x) T_t. The templates know no size; the scalers S are few and belong to one depth and width. Templates
are learned with an auxiliary network by distillation, or cut out of a checkpoint without images; a new size needs only
its scalers, fitted on a little data while the templates stay as they are.
"""
