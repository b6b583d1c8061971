"""The maths on plain arrays, used by every room above; import from its modules."""
