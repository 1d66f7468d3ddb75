"""Bytes and values of the files of an offline address book (MS-OXOAB 2, MS-OXOABKT 2.2.2.1, MS-OXWOAB 2.2)."""
