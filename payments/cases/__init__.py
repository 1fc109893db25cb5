"""Cases: opened, worked on, closed; the runbook of each alert."""
