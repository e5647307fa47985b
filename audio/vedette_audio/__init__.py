"""The ear: hears gunshots, says when and of which firearm; trains and measures the network that does."""
