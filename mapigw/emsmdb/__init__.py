"""The EMSMDB protocol: one handler a ROP (MS-OXCROPS), sessions and their objects. No HTTP, no SQL."""
