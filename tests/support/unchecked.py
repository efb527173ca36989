"""Owns sites that the model takes and the checks would refuse."""

from appliance.site.load import read_document
from appliance.site.model import Site, validated


def unchecked(text: str) -> Site:
    """The site of a config.yaml, whatever its keys say about each other."""
    site, wrongs = validated(read_document(text.encode()).plain)
    assert site is not None, wrongs
    return site
