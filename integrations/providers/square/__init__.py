"""Square. The map is in docs/square.md. Nothing is imported here: its SDK is loaded where it is used."""
