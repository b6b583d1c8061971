"""Adapters: each turns one public data set into logs of the contract."""
