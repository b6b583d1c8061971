"""What stands between a socket and the service: limits, keys, errors, the OpenAPI document."""
