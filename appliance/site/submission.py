"""Owns the keys of config.yaml about mail that users send with their passwords."""

from pydantic import Field

from appliance.site.values import Amount, Part, Seconds


class Submission(Part):
    """Mail that users send with their passwords."""

    check_from: bool = Field(
        True, description="Whether the addresses of From must belong to the login, as the sender must."
    )
    hide_client: bool = Field(
        False, description="Whether the Received line keeps the client's name and address to itself."
    )
    messages_per_day: Amount = Field(
        1000, description="How many messages a login may send in a day; 0: no limit."
    )
    recipients_per_day: Amount = Field(
        5000, description="To how many recipients, counted in each message; 0: no limit."
    )
    burst: Seconds = Field(
        43200,
        description="As many may go at once as fall into so much time, such as 12h; the rest is spread.",
    )
