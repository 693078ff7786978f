"""The logic of every call, written once for the client that waits and the one that is awaited."""
