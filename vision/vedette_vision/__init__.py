"""Sees weapons: gate, detector, closer look, tracker (run time); data, training, export (extra ``train``)."""
