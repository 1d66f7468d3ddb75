"""The forms of a message's text, plain, HTML and RTF, and how one is made of another (MS-OXBBODY, MS-OXRTFEX)."""
