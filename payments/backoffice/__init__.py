"""The back office: all admin registrations. Read-only; what a person may do is a named operation with a button of
its own."""
