"""Measuring a learngene at many sizes, untuned and tuned: job (what is asked), grid (the cells), cell (one of them),
workers (one process per core or GPU), run (all together), tables and plots (what comes of it).
"""
