"""Rows and blobs: the only place that knows SQL and the file system's layout."""
