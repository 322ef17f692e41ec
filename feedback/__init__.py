"""What people say about predictions and what follows: receipts, feedback, personal data, incidents, the nightly export.

Stores and reports are protocols here; `cloud/` implements them. No Azure, no HTTP, no mail.
"""
