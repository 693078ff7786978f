"""The queue that comes with the service: a private Redis-compatible server and workers, as children of `serve`."""
