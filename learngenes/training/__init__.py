"""Training in torch: networks, images, losses, the loop, and how accuracy is measured. Needs the extra `train`."""
