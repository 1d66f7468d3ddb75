"""Internet mail and MAPI messages, one made of the other."""
