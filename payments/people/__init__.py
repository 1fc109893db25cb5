"""The people of the back office: accounts, second factor, roles as groups, tokens."""
