"""The address book: Name Service Provider Interface over MAPI/HTTP (MS-OXNSPI, MS-OXCMAPIHTTP 2.2.5)."""
