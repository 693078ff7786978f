"""One method, one folder: `options.py` what can be set, `learn.py` (torch) learns, `plan.py` (no torch) expands."""
