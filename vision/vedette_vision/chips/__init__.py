"""Chips: small pictures of one thing each, and the classifier that tells weapons from look-alikes."""
