"""Attribution: which impression led to a play, and which plays are organic."""
