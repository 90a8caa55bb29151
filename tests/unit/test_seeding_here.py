"""The operator's machine as the seeder: which address hosts know it by, and what is said if there is none."""

from __future__ import annotations

import pytest

from murder_fabric.deploy.seeding_here import address_here
from murder_fabric.errors import BadInput


def test_it_is_found_where_all_hosts_see_it():
    assert address_here({"web1": "127.0.0.1", "web2": "127.0.0.1"}) == "127.0.0.1"


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ({"web1": "127.0.0.1", "web2": "127.0.0.2"}, "web1 as 127.0.0.1, web2 as 127.0.0.2"),
        ({"web1": "127.0.0.1", "web2": ""}, "web2 cannot say where SSH came from"),
        ({"web1": "192.0.2.1", "web2": "192.0.2.1"}, "192.0.2.1, which is no address of its own: a NAT or"),
        ({"web1": "2001:db8::1"}, "2001:db8::1, which is no address of its own"),
    ],
)
def test_where_it_cannot_be_the_reason_is_said_and_what_to_do(seen, says):
    with pytest.raises(BadInput, match=r"leave --seed-here out, .*; nothing was changed$") as caught:
        address_here(seen)
    assert says in str(caught.value)
