"""NMI as one loopback process sees it: transact.php, query.php, Collect.js with its frames, webhooks."""
