"""What is watched: figures, alerts, suspicious patterns."""
