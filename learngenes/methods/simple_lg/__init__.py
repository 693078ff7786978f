"""Simple-LG: the layers of an ordinary small network, repeated as if they had learned to be.

The ablation of SWS (IJCAI 2024, Table 3): a network of one layer a stage is trained without sharing and expanded by the
same stage map. It shows that repetition has to be seen in training: its descendants get worse as they get deeper.
"""
