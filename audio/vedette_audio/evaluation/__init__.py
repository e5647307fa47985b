"""What a sound model is worth (DESIGN section 7): clips scored, figures, curves, tables and pictures."""
