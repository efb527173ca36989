"""Owns the tests: a folder mirrors its folder of appliance/; flow/, end_to_end/ and support/ are the rest."""
