"""Base recommenders: whatever ranks by P(play | shown), behind one method."""
