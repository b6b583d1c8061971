"""The page at ``/``: one user's base list and causal list side by side, and how the service fares.

Static files and the routes to them. They hold nothing of any user; all figures come from the
service's own paths, with the API key where one is needed.
"""
