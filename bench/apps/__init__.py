"""The other servers: what people do today."""
