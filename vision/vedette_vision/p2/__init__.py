"""The detector for small things: a head at stride 4 (P2), and a loss and an assigner that favour them."""
