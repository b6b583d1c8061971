"""What a person should look at, what they said, and what follows from it."""
