"""The HTTP server: routes, TLS, authentication, logs, MAPI/HTTP session contexts."""
