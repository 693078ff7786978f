"""The worker: takes jobs out of the queue, one at a time, and runs each as a process of its own that may use torch."""
