"""What a mailbox means: folders, messages, change tracking. No bytes of any protocol, no SQL."""
