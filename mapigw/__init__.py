"""mapigw: Microsoft Outlook, natively, against a self-hosted mail store."""
