"""PayPal's stand-in: orders, captures, refunds, disputes, reports, webhooks signed by a chain of its own."""
