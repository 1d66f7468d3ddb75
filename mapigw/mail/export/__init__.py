"""MAPI messages to Internet mail (MS-OXCMAIL 2.1)."""
