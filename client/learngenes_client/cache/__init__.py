"""The cache: where things are kept on this disk."""

from learngenes_client.cache.files import copy_whole, holds, write_whole
from learngenes_client.cache.places import Cache, cache_root

__all__ = ["Cache", "cache_root", "copy_whole", "holds", "write_whole"]
