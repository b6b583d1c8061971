"""Labels: rows on which an uplift model may be trained."""
