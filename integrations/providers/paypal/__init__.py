"""PayPal. The map is in docs/paypal.md. Nothing is imported here: its SDK is loaded where it is used."""
