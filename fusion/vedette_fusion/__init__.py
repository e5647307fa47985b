"""Fusion: what was heard and what was seen become threat events with a probability and its reasons.

align -> combine -> events. See `vedette_fusion.events.Fuser`.
"""
