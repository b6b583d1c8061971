"""The site, and what its pages show that nobody typed."""
