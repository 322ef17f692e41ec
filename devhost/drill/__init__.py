"""`make drill`: trigger the alerts on purpose and check who is notified."""
