"""The ground floor: what every part of Vedette stands on. It imports nothing else of Vedette."""
