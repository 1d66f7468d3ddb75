"""The mapigw command."""
