"""Autodiscover: where a client finds its mailbox (MS-OXDSCLI)."""
