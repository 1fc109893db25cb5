"""The ledger: chart, postings, what verifies them, months closed."""
