"""Who there is: domains, users, addresses, and whether a password is right."""
