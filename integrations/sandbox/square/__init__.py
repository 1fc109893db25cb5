"""Square as far as the shop meets it: payments, orders, links, refunds, disputes, payouts, events, its pay page."""
