"""Policies: from a base score and an uplift to the order that is shown."""
