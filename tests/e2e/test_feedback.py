"""The whole story, through the host and the runtime into a real table: predict, say it was wrong, take it back."""
