"""Entry points that run the chain where the logs live."""
