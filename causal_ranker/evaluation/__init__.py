"""How many plays a ranking causes, how sure that is, and the report that says so."""
