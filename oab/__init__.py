"""The offline address book: its files (MS-OXOAB), how they are made, and which of them a user may fetch (MS-OXWOAB)."""
