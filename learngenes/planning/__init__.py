"""Planning without torch: blocks into networks, other widths, other depths, bridges to other inputs and outputs."""
